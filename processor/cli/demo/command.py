"""`demo`: everything at once, on servers of its own."""

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from processor.avro.codec import SESSION_FIELDS, SnapshotCodec
from processor.avro.schemas import load_schemas
from processor.bootstrap.codecs import update_header
from processor.cli.common.output import Json, given_to, note, out, print_json, progress_bar
from processor.cli.common.reach import answering
from processor.cli.common.session_view import line, page
from processor.cli.console.command import ConsoleOptions, opened
from processor.cli.dead_letters.commands import letter_page
from processor.cli.demo.run import PARTITIONS, SendRate, process, produce, servers, serving
from processor.cli.demo.tally import DemoTally, Fields, tally, worth_showing
from processor.cli.sessions.cached import look_up
from processor.config import Settings
from processor.core.outcome import Reason
from processor.telemetry.visible import printable

_STATE_DIR: Final = Path(".local/demo")
_SEED: Final = 20
_MEANING: Final = {
    Reason.UNDECODABLE: "bytes that are no update",
    Reason.KEY_MISMATCH: "another session's key",
    Reason.INVALID_VALUE: "a value that no update may carry",
    Reason.UNKNOWN_SESSION: "ends a session that never began",
    Reason.TRANSITION_NOT_ALLOWED: "a state that cannot follow",
    Reason.SESSION_NOT_OPEN: "changes a session that has ended",
    Reason.TOO_LARGE: "its snapshot would pass the limit",
}


def command(
    ctx: typer.Context,
    *,
    updates: Annotated[
        int, typer.Option(min=1_000, metavar="N", help="How many updates to produce.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="What the stream is drawn from.")] = _SEED,
    state_dir: Annotated[
        Path, typer.Option(metavar="DIRECTORY", help="Where its servers live while it lasts.")
    ] = _STATE_DIR,
    send_only: Annotated[
        bool,
        typer.Option("--send-only", help="Only send the updates, to the Kafka of the settings."),
    ] = False,
    console: Annotated[
        bool, typer.Option("--console", help="Then keep it until Ctrl-C, with a console on it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the whole on a real Kafka and a real Valkey, started for this and then removed.

    Creates the topics, produces a stream of a shop's updates with all that goes wrong in one, runs
    the service until it has caught up, and shows what became of it. The servers are its own and
    the settings are not asked: it touches nothing of yours. With --send-only it sends the stream to
    the input topic that the settings name, no update twice, and starts nothing; with a schema
    registry under its id of the schema, which must be registered.

    Example: session-processor demo --updates 50000
    """
    from processor.bootstrap.adapters import cluster_of
    from processor.kafka import topics

    if send_only:
        _send(given_to(ctx).load().settings, updates, seed, as_json=as_json)
        return
    start = time.monotonic()

    def tell(text: str) -> None:
        note(f"· {text}", as_json=as_json)

    with servers(state_dir, tell) as settings, answering():
        cluster = cluster_of(settings)
        topics.create(cluster, settings.max_snapshot_bytes, PARTITIONS)
        tell(f"created four topics of {PARTITIONS} partitions")
        with progress_bar(as_json=as_json) as bar:
            produce(cluster, updates, seed, bar)
            pace = process(settings, cluster, state_dir / "service.log", updates, bar)
        tell("reading back what was committed")
        found = tally(settings, updates)
        if as_json:
            print_json(_summary(found, pace))
        else:
            _show(settings, found, pace)
        note(f"\nTook {time.monotonic() - start:.0f} s in all.", as_json=as_json)
        if console:
            with serving(settings, state_dir / "service.log"):
                opened(settings, ConsoleOptions(port=0, show_values=True), as_json=as_json)
    again = "" if console else "; `session-processor demo --console` shows it in a browser"
    note(f"Nothing is left running{again}.", as_json=as_json)


def _send(settings: Settings, updates: int, seed: int, *, as_json: bool) -> None:
    """Send the stream to the input of the settings."""
    from processor.bootstrap.adapters import cluster_of

    with answering(), progress_bar(as_json=as_json) as bar:
        produce(cluster_of(settings), updates, seed, bar, update_header(settings))
    note(f"{updates:,} updates are in the input topic", as_json=as_json)


def _summary(found: DemoTally, pace: SendRate) -> dict[str, object]:
    return {
        "updates": found.updates,
        "accepted": found.snapshots,
        "duplicates": found.duplicates,
        "rejected": {reason.value: found.rejected[reason] for reason in Reason},
        "sessions": found.sessions,
        "profiles": found.profiles,
        "seconds": round(pace.seconds, 3),
        "updatesPerSecond": round(pace.per_second),
    }


def _show(settings: Settings, found: DemoTally, pace: SendRate) -> None:
    console = out()
    _head(console, f"What became of {found.updates:,} updates")
    console.print(_outcomes(found))
    console.print(
        f"\n{found.sessions:,} sessions of {found.profiles:,} profiles; "
        f"{pace.per_second:,.0f} updates per second over {pace.seconds:.1f} s "
        "(too short to measure by; `make bench` does)"
    )

    sessions = worth_showing(_read(found))
    _head(console, "A few sessions, a line for each snapshot in the output topic")
    for history in sessions:
        for snapshot in history:
            console.print(line(snapshot))
        console.print()

    if found.letter is not None:
        _head(console, "A dead letter: the update as it came, and why it was rejected")
        console.print(letter_page(found.letter))

    if sessions:
        last = sessions[0][-1]
        key = f"{last['applicationId']}:{last['integrationId']}"
        _head(console, f"Session {printable(key)}, read from Redis alone")
        console.print(page(next(iter(look_up(settings, key).values()))))


def _outcomes(found: DemoTally) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("outcome")
    table.add_column("updates", justify="right")
    table.add_column("share", justify="right", style="dim")
    table.add_column("", style="dim")
    rows = [
        (Text("accepted", "green"), found.snapshots, "a snapshot in the output topic"),
        (Text("duplicate", "yellow"), found.duplicates, "sent again: no snapshot, no dead letter"),
        (Text("rejected", "red"), found.rejected.total(), "a dead letter with its reason"),
        *((Text(f"  {each}"), found.rejected[each], _MEANING[each]) for each in Reason),
    ]
    for outcome, count, meaning in rows:
        table.add_row(outcome, f"{count:,}", f"{count / found.updates:.1%}", meaning)
    return table


def _read(found: DemoTally) -> list[list[Fields]]:
    codec = SnapshotCodec(load_schemas().snapshots)
    return [
        [dict(zip(SESSION_FIELDS, codec.read(each), strict=True)) for each in snapshots]
        for snapshots in found.histories.values()
    ]


def _head(console: Console, text: str) -> None:
    console.print()
    if sys.stdout.isatty():
        console.print(Rule(Text(text, style="bold"), align="left", style="dim"))
    else:
        console.print(f"== {text}")
