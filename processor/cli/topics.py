"""`topics`: the four topics, made and verified."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.common.output import Json, emit, emit_one, note, print_json, settings_from
from processor.cli.common.reach import answering
from processor.config import Settings
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
    producers must partition keys alike: Java's clients take murmur2, librdkafka's CRC32, Sarama
    FNV-1a unless told otherwise. Exits with 4 when there is an error.

    Example: session-processor topics check --json
    """
    findings, verdict = checked(settings_from(ctx))
    document = check_document(findings, verdict)
    if as_json:
        print_json(document)
    else:
        _show(findings, verdict)
    if not document["ok"]:
        raise typer.Exit(TopicError.exit_code)


def checked(settings: Settings) -> "tuple[list[Finding], Verdict | None]":
    """Return what is wrong with the topics, and of several partitions which partitioner fits."""
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka import topics
    from processor.kafka.partitioners import sample

    cluster = cluster_of(settings)
    with answering():
        findings = topics.inspect(cluster, settings.max_snapshot_bytes)
        updates = topics.states(cluster).get(Topic.UPDATES)
        verdict = None
        if updates is not None and updates.partitions > 1:  # else every partitioner is right
            verdict = sample(cluster, SYSTEM_CLOCK, updates.partitions)
    return findings, verdict


def check_document(findings: list[Finding], verdict: "Verdict | None") -> dict[str, object]:
    """Return what a check found, for programs."""
    return {
        "ok": all(each.severity != "error" for each in findings),
        "findings": [each._asdict() for each in findings],
        "partitioner": None if verdict is None else _in_json(verdict),
    }


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
        emit_one({"partitioner": verdict_told(verdict)}, as_json=False)


_KNOWN_AS: Final = {
    "murmur2": "murmur2 (Java's clients, kafkajs 2, franz-go; librdkafka's murmur2_random)",
    "crc32": "CRC32 (librdkafka's consistent_random, its default)",
    "fnv1a": "FNV-1a (Sarama's default, kafka-go's Hash; librdkafka's fnv1a_random)",
    "fnv1a-reference": "FNV-1a without its sign (the ReferenceHash of Sarama and kafka-go)",
    "kafkajs-legacy": "kafkajs's LegacyPartitioner, the default of kafkajs 1",
}


def _in_json(verdict: "Verdict") -> dict[str, object]:
    return {
        "fit": verdict.fit,
        "keys": verdict.keys,
        **{str(name): count for name, count in verdict.counts.items()},
        "fitting": verdict.fitting,
        "split": verdict.split,
    }


def verdict_told(verdict: "Verdict") -> str:
    """Return what a verdict means, in words."""
    keys = f"{verdict.keys:,} recent keys"
    names = [_KNOWN_AS[each] for each in verdict.fitting]
    if verdict.fit == "unknown":
        text = "no recent keys to tell it by"
    elif verdict.fit == "either":
        text = f"{keys} fit each of these, too few to tell: {'; '.join(names)}"
    elif verdict.fit == "mixed":
        numbers = " and ".join(
            f"{verdict.counts[each]:,} fit {_KNOWN_AS[each]}" for each in verdict.fitting
        )
        text = (
            f"WARNING: of {keys}, {numbers}: producers partition differently, and a session that "
            "two of them write to becomes two sessions. Give all of them one partitioner"
        )
    elif verdict.fit == "neither":
        numbers = ", ".join(f"{count:,} {each}" for each, count in verdict.counts.items())
        text = (
            f"WARNING: {keys} fit no partitioner that is known ({numbers}): one of your own, "
            "kafka-go's Writer without a Balancer, which does not look at keys, or partitions that "
            "were added while records were there. All producers must partition keys alike"
        )
    else:
        text = f"{keys} fit {names[0]}"
    if verdict.split:
        text += f". Keys seen in more than one partition: {', '.join(verdict.split)}"
    return text
