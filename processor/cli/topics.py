"""`topics`: the four topics, made and verified."""

from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.common.output import Json, emit, emit_one, note, print_json, settings_from
from processor.cli.common.reach import answering
from processor.errors import TopicError
from processor.kafka.topic_findings import Finding
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Topic

if TYPE_CHECKING:
    from processor.kafka.partitioners import Verdict

app = typer.Typer(
    name="topics", no_args_is_help=True, help="The four topics: create them, verify them."
)


@app.command()
def create(
    ctx: typer.Context,
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Partitions of each new topic; what existing ones have by default, else 12.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Create those of the four topics that do not exist, with the settings they need.

    The replication factor is the broker's default. A topic that exists is never changed: where one
    is not as it should be, the command of Kafka's own tools is printed that would mend it.

    Example: session-processor topics create --partitions 24
    """
    settings = settings_from(ctx)
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka import topics

    cluster = cluster_of(settings)
    with answering():
        made = topics.create(cluster, settings.max_snapshot_bytes, partitions)
        findings = topics.inspect(cluster, settings.max_snapshot_bytes)
    emit((each._asdict() for each in made), as_json=as_json)
    for finding in findings:
        note(
            f"{finding.severity}: {finding.topic} has {finding.setting} {finding.value}, needed is "
            f"{finding.needed}: {finding.cost}\n  {finding.command}",
            as_json=as_json,
        )


@app.command()
def check(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Verify the four topics, and see which partitioner the input's recent keys fit.

    An error would lose something or stop the service, and `run` refuses to start on it; a warning
    costs what it says. A session whose updates come over two partitions is two sessions, so all
    producers must partition keys alike: Java's clients take murmur2, librdkafka's CRC32 unless
    told otherwise. Exits with 4 when there is an error.

    Example: session-processor topics check --json
    """
    settings = settings_from(ctx)
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka import topics
    from processor.kafka.partitioners import sample

    cluster = cluster_of(settings)
    with answering():
        findings = topics.inspect(cluster, settings.max_snapshot_bytes)
        updates = topics.states(cluster).get(Topic.UPDATES)
        verdict = None if updates is None else sample(cluster, SYSTEM_CLOCK, updates.partitions)
    errors = sum(each.severity == "error" for each in findings)
    if as_json:
        print_json(
            {
                "ok": not errors,
                "findings": [each._asdict() for each in findings],
                "partitioner": None if verdict is None else verdict._asdict(),
            }
        )
    else:
        _show(findings, verdict)
    if errors:
        raise typer.Exit(TopicError.exit_code)


def _show(findings: list[Finding], verdict: "Verdict | None") -> None:
    rows = [
        {
            "": each.severity,
            "topic": each.topic,
            "setting": each.setting,
            "is": each.value,
            "needed": each.needed,
        }
        for each in findings
    ]
    if rows:
        emit(rows, as_json=False)
    for each in findings:
        note(f"\n{each.topic} {each.setting}: {each.cost}\n  {each.command}")
    if not rows:
        emit_one({"topics": "all four are as they must be"}, as_json=False)
    if verdict is not None:
        emit_one({"partitioner": _told(verdict)}, as_json=False)


def _told(verdict: "Verdict") -> str:
    """Return what a verdict means, in words."""
    keys = f"{verdict.keys:,} recent keys"
    texts = {
        "unknown": "no recent keys to tell it by",
        "murmur2": f"{keys} fit murmur2 (Java's clients; librdkafka's murmur2_random)",
        "crc32": f"{keys} fit CRC32 (librdkafka's consistent_random, its default)",
        "either": f"{keys} fit murmur2 and CRC32 alike: too few to tell",
        "mixed": (
            f"WARNING: of {keys}, {verdict.murmur2:,} fit murmur2 and {verdict.crc32:,} fit CRC32: "
            "producers partition differently, and a session that two of them write to becomes "
            "two sessions. Give all of them one partitioner (murmur2_random for librdkafka)"
        ),
        "neither": (
            f"WARNING: of {keys}, {verdict.murmur2:,} fit murmur2 and {verdict.crc32:,} fit CRC32: "
            "a partitioner of your own, or partitions that were added while records were there. "
            "All producers must partition keys alike"
        ),
    }
    text = texts[verdict.fit]
    if verdict.split:
        text += f". Keys seen in more than one partition: {', '.join(verdict.split)}"
    return text
