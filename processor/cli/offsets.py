"""`offsets`: where the group stands, and setting it right when the service refuses to go on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.progress import TaskID

from processor.cli.common.output import Json, emit, note, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.config import Settings
from processor.errors import InputError
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Topic

if TYPE_CHECKING:
    from processor.kafka.clients import Cluster
    from processor.kafka.offsets import Group
    from processor.offsets.diagnosis import Diagnosis, OnProgress
    from processor.offsets.repair import Situation, Step
    from processor.state.checkpoint import Stream

app = typer.Typer(
    name="offsets", no_args_is_help=True, help="The group's offsets: see them, set them right."
)

Partitions = Annotated[
    list[int] | None,
    typer.Option("--partition", min=0, help="Only this partition; may be repeated."),
]


@app.command()
def show(ctx: typer.Context, *, partition: Partitions = None, as_json: Json = False) -> None:
    """Show each partition's committed offset, what came with it, and what is wrong with it.

    Where `trouble` says something, the service refuses to go on with that partition, and
    `offsets repair` sets it right. `commands` says whether the version that committed last knows
    them, `known` or `unknown`, and `passed` once the partition has had one: a version that knows
    none does not go on there. Changes nothing, and may be run beside the service.

    Example: session-processor offsets show --json
    """
    settings = settings_from(ctx)
    group, rows = glance(settings, partition)
    note(f"group {settings.group_id}: {_who(group)}", as_json=as_json)
    for row in rows:
        if row["trouble"]:
            note(f"partition {row['partition']}: {row['message']}", as_json=as_json)
    emit(rows if as_json else map(_narrow, rows), as_json=as_json)


def glance(
    settings: Settings, partitions: list[int] | None = None
) -> "tuple[Group, list[dict[str, object]]]":
    """Return the group, and what is committed for the partitions, all by default."""
    from processor.kafka.offsets import KafkaOffsets

    with answering():
        cluster, stream, diagnosis = _diagnosis(settings, lambda *_: None)
        group = KafkaOffsets(cluster).group()
        return group, [_shown(diagnosis.glance(each)) for each in _chosen(partitions, stream)]


@app.command()
def repair(
    ctx: typer.Context,
    *,
    partition: Partitions = None,
    yes: Annotated[bool, typer.Option("--yes", help="Set the offsets without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Set the offsets of partitions that the service refuses to go on with.

    Every process of the group must be stopped. A partition goes on one past the highest input
    offset that the output and the dead letters answer, or as exactly as its former commit tells;
    one that is well stays as it is. First says what would be set, and what that would lose or
    repeat; then asks. Without a terminal, nothing is set unless `--yes` is given. The claims in
    Redis are removed; all caches are rebuilt at the next start.

    Example: session-processor offsets repair --yes
    """
    settings = settings_from(ctx)
    from processor.bootstrap.adapters import remove_claims
    from processor.kafka.offsets import KafkaOffsets
    from processor.offsets.setting import look, set_offsets

    with answering(), _reading(as_json=as_json) as on_progress:
        cluster, stream, diagnosis = _diagnosis(settings, on_progress)
        offsets = KafkaOffsets(cluster)
        offsets.require_stopped()
        chosen = _chosen(partition, stream)
        found = look(diagnosis, chosen)
    steps, epoch = found.steps, found.epoch
    mending = [step for step in steps if step.action == "set"]
    confirmed = bool(mending) and (yes or _confirmed(steps, epoch, as_json=as_json))
    if confirmed:
        with answering():
            identity = f"{settings.group_id}-{uuid4().hex}"
            set_offsets(diagnosis, offsets, found, identity, partial(remove_claims, settings))
    if yes or as_json or not sys.stdin.isatty():
        _tell(steps, epoch, applied=confirmed, as_json=as_json)
    _conclude(mending, applied=confirmed, as_json=as_json)


def _conclude(mending: "list[Step]", *, applied: bool, as_json: bool) -> None:
    if not mending:
        note("nothing needs to be repaired", as_json=as_json)
    elif applied:
        note(f"{len(mending)} partitions were set; `run` may be started again", as_json=as_json)
    else:
        note("nothing was changed; `--yes` sets this", as_json=as_json)


def _diagnosis(
    settings: Settings, on_progress: "OnProgress"
) -> "tuple[Cluster, Stream, Diagnosis]":
    from processor.bootstrap.adapters import readers_of, stream_of
    from processor.bootstrap.codecs import codecs_of
    from processor.offsets.diagnosis import Diagnosis

    cluster, coordination, scan = readers_of(settings)
    stream = stream_of(coordination, settings)
    codecs = codecs_of(settings)
    diagnosis = Diagnosis(
        stream=stream,
        topics=cluster.topics.__getitem__,
        coordination=coordination,
        scan=scan,
        answered=codecs.answered,
        event_id=codecs.event_id,
        clock=SYSTEM_CLOCK,
        on_progress=on_progress,
    )
    return cluster, stream, diagnosis


def _chosen(partitions: list[int] | None, stream: "Stream") -> list[int]:
    absent = [each for each in partitions or () if each >= stream.partitions]
    if absent:
        raise InputError(
            f"there is no partition {absent[0]}: the input has {stream.partitions}",
            hint=f"Give --partition from 0 to {stream.partitions - 1}.",
        )
    return sorted(set(partitions)) if partitions else list(range(stream.partitions))


def _shown(found: "Situation") -> dict[str, object]:
    committed, metadata, fault = found.committed, found.metadata, found.fault
    return {
        "partition": found.partition,
        "committed": None if committed is None else committed.offset,
        "start": found.updates.start,
        "end": found.updates.end,
        "lag": None if committed is None else max(0, found.updates.end - committed.offset),
        "owner": None if metadata is None else metadata.identity,
        "next_output": None if metadata is None else metadata.output,
        "epoch": None if metadata is None else metadata.epoch,
        "commands": _commands(found),
        "trouble": None if fault is None else fault.kind.value,
        "message": None if fault is None else fault.message,
    }


def _commands(found: "Situation") -> str | None:
    """Return whether who committed last knows commands, and whether one was passed."""
    from processor.state.checkpoint import knows_commands

    committed, metadata = found.committed, found.metadata
    if committed is None or metadata is None:
        return None
    known = "known" if knows_commands(committed.metadata) else "unknown"
    return "passed" if metadata.commands else known


def _narrow(row: dict[str, object]) -> dict[str, object]:
    """Leave out what was told before the table."""
    return {name: value for name, value in row.items() if name != "message"}


def _who(group: "Group") -> str:
    return f"{group.state.lower()}, {len(group.members)} members" + "".join(
        f"\n  {member}" for member in group.members
    )


def _confirmed(steps: "list[Step]", epoch: int, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        return False
    _tell(steps, epoch, applied=False, as_json=False)
    return typer.confirm("Set these offsets?", err=True)


def _tell(steps: "list[Step]", epoch: int, *, applied: bool, as_json: bool) -> None:
    emit(
        [
            {
                "partition": step.partition,
                "action": step.action,
                "trouble": None if step.fault is None else step.fault.kind.value,
                "committed": step.before,
                "offset": step.offset,
                "next_output": step.output if step.action == "set" else None,
                "epoch": epoch if step.action == "set" else None,
                **(
                    {
                        "message": None if step.fault is None else step.fault.message,
                        "lost": step.lost,
                        "notes": step.notes,
                        "applied": applied and step.action == "set",
                    }
                    if as_json
                    else {}
                ),
            }
            for step in steps
        ],
        as_json=as_json,
    )
    for step in steps:
        for text in step.notes:
            note(f"partition {step.partition}: {text}", as_json=as_json)


@contextmanager
def _reading(*, as_json: bool) -> "Iterator[OnProgress]":
    """Show how reading gets on, one line for each partition of a topic that is read."""
    with progress_bar(as_json=as_json) as bar:
        tasks: dict[tuple[Topic, int], TaskID] = {}

        def on_progress(topic: Topic, partition: int, done: int, total: int) -> None:
            task = tasks.get((topic, partition))
            if task is None:
                name = f"reading {topic.value} {partition}"
                task = tasks[topic, partition] = bar.add_task(name, total=total)
            bar.update(task, completed=done)

        yield on_progress
