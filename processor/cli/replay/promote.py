"""`replay promote`: a replay's last state of each session becomes the live one."""

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from processor.cli.common.output import Json, emit, note, progress_bar, settings_from
from processor.cli.common.reach import answering
from processor.cli.replay.options import Name
from processor.cli.replay.start import reach
from processor.config import Settings
from processor.errors import FailClosed, Unavailable
from processor.ports.chunks import chunks_in
from processor.ports.clock import SYSTEM_CLOCK, Clock
from processor.ports.log import BatchAborted, LogUnavailable, Subscription
from processor.replay.names import replayed, valid
from processor.replay.plan import LiveOutput, Plan
from processor.replay.promote import Promote, Staged
from processor.state.checkpoint import Promoted
from processor.telemetry.visible import printable

if TYPE_CHECKING:
    from processor.cli.replay.live import Live

_JOIN_S: Final = 60.0
_TOLD: Final = 10
_HINT: Final = "Stop every `session-processor run` of the group, then promote again."


def command(
    ctx: typer.Context,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Publish without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a replay's last snapshot of each session that differs from the live one.

    Every process of the live group must be stopped, and the replay must have come to where the live
    service stopped (`replay run --extend`). Readers see a later snapshot, with the next `version`;
    what was published before stays. Then start the service: it rebuilds Redis. First says how many
    sessions would change, then asks; without a terminal nothing is published unless `--yes` is
    given. Killed on the way, it goes on where it stood.

    Example: session-processor replay promote wrong-totals
    """
    settings = settings_from(ctx)
    own = replayed(settings, valid(name))
    with ExitStack() as closing:
        with answering():
            live = reach(settings)
            plan = live.known(name)
            outputs = _ready(live, plan, own)
            staged = _staged(live, plan, own, outputs, closing, as_json=as_json)
            rows = [_row(each) for each in staged]
        _refuse(staged)
        asks = not (yes or as_json) and sys.stdin.isatty()
        if asks:
            emit(rows, as_json=False)
        confirmed = yes or (asks and typer.confirm("Publish these snapshots?", err=True))
        if confirmed:
            with answering(), _joining(settings):
                _publish(settings, plan, staged, as_json=as_json)
                live.replays.rewrite(plan._replace(promoted=True))
        if not asks:
            emit(({**row, "applied": confirmed} for row in rows), as_json=as_json)
    if confirmed:
        note(f"replay {name} is live; `run` may be started again", as_json=as_json)
    else:
        note("nothing was changed; `--yes` publishes this", as_json=as_json)


def _ready(live: "Live", plan: Plan, own: Settings) -> Mapping[int, LiveOutput]:
    """Return the live output. Raises FailClosed unless the replay stands where live does."""
    live.state.require_promotable(plan)
    found, outputs = live.state.look()
    places = live.places(plan, own)
    for partition, each in plan.ranges.items():
        if found[partition].committed != each.end:
            raise FailClosed(
                f"the live service has come to {found[partition].committed} in partition "
                f"{partition}, and replay {plan.name} ends at {each.end}",
                hint="Stop the service, then go on with the replay: `session-processor replay run "
                f"--name {plan.name} --extend`.",
            )
        if (places[partition] or 0) < each.end:
            raise FailClosed(
                f"replay {plan.name} is not at its end in partition {partition}",
                hint=f"Finish it: `session-processor replay run --name {plan.name}`.",
            )
    return outputs


def _staged(
    live: "Live",
    plan: Plan,
    own: Settings,
    outputs: Mapping[int, LiveOutput],
    closing: ExitStack,
    *,
    as_json: bool,
) -> list[Staged]:
    made = []
    with progress_bar(as_json=as_json) as bar:
        for partition in plan.ranges:
            published = outputs[partition].end
            staged = Staged(partition, published, live.numbering)
            closing.callback(staged.close)
            again, end = live.replayed_snapshots(own, partition)
            task = bar.add_task(f"partition {partition}", total=published + end)
            passed = partial(bar.advance, task)
            for take, chunks, total in (
                (staged.live, live.snapshots(partition, published), published),
                (staged.again, again, end),
            ):
                for chunk in chunks_in(chunks, 0, total, passed):
                    take(chunk)
            made.append(staged)
    return made


def _row(staged: Staged) -> dict[str, object]:
    return {
        "partition": staged.partition,
        "snapshots": sum(1 for _ in staged.changes()),
        "vanishing": sum(1 for _ in staged.vanishing()),
    }


def _refuse(staged: list[Staged]) -> None:
    """Raise FailClosed where live and the replay do not have the same sessions."""
    for keys, wrong, rule in (
        (
            (key for each in staged for key in each.vanishing()),
            "sessions are live that the replay does not have",
            "A promote takes no session away that no command ended.",
        ),
        (
            (key for each in staged for key in each.ended()),
            "sessions have ended live that go on in the replay",
            "A promote brings no session back.",
        ),
    ):
        some = list(islice(keys, _TOLD))
        if some:
            told = ", ".join(printable(key.decode(errors="backslashreplace")) for key in some)
            raise FailClosed(
                f"{wrong}: {told}" + (", …" if len(some) == _TOLD else ""),
                hint=f"{rule} See why: `session-processor replay diff`.",
            )


def _publish(settings: Settings, plan: Plan, staged: list[Staged], *, as_json: bool) -> None:
    """Join the live group as its only member, and publish."""
    from processor.bootstrap.adapters import member_of, readers_of, stream_of, takeover_of
    from processor.kafka.offsets import KafkaOffsets
    from processor.kafka.topics import require
    from processor.partitions.takeover import first_position

    readers = readers_of(settings)
    facts = require(readers.cluster, settings.max_snapshot_bytes)
    KafkaOffsets(readers.cluster).require_stopped()
    stream = stream_of(readers.coordination, settings)
    with ExitStack() as closing:
        log = member_of(settings, readers, facts, stream, lambda: False)
        closing.callback(log.subscription.close)
        closing.callback(log.publication.close)
        log.publication.replace()
        takeover = takeover_of(log, first_position("earliest", log.coordination), SYSTEM_CLOCK)
        join_alone(log.subscription, plan.stream.partitions, SYSTEM_CLOCK)
        with progress_bar(as_json=as_json) as bar:
            task = bar.add_task("partitions published", total=len(staged))
            for each in staged:
                promote = Promote(
                    Promoted(plan.name, plan.ranges[each.partition].end),
                    stream=stream,
                    subscription=log.subscription,
                    publication=log.publication,
                    takeover=takeover,
                    clock=SYSTEM_CLOCK,
                )
                drive(log.subscription, promote(each))
                bar.advance(task)


def join_alone(subscription: Subscription, partitions: int, clock: Clock) -> None:
    """Poll until every partition is this member's."""
    start = clock.monotonic()
    assigned: set[int] = set()
    while len(assigned) < partitions:
        subscription.take(1, 0.1)
        change = subscription.rebalance()
        if change is not None:
            assigned = (assigned - change.revoked) | change.assigned
        if clock.monotonic() - start > _JOIN_S:
            raise Unavailable(
                f"the group gave {len(assigned)} of {partitions} partitions in {_JOIN_S:.0f} s",
                hint=_HINT,
            )


def drive(subscription: Subscription, task: Generator[bool, None, None]) -> None:
    """Step the task to its end, polling the group between its steps."""
    for progress in task:
        subscription.take(1, 0.0 if progress else 0.05)
        change = subscription.rebalance()
        if change is not None and change.revoked:
            raise _joined()


@contextmanager
def _joining(settings: Settings) -> Iterator[None]:
    """Say what an aborted transaction means here: somebody else joined the group."""
    try:
        yield
    except BatchAborted as fault:
        raise _joined() from fault
    except LogUnavailable as fault:
        raise Unavailable(
            f"Kafka did not answer: {fault}",
            hint=f"promote again: it goes on where group {settings.group_id} stands",
        ) from fault


def _joined() -> FailClosed:
    return FailClosed(
        "another process joined the group: a part may have been published, the rest was not",
        hint=_HINT,
    )
