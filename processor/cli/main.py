"""The root of the command line: where commands are mounted, and where errors end."""

import sys
from collections.abc import Sequence
from typing import Final

import structlog
import typer
from typer.main import get_command

from processor.cli import config, local, offsets, run, schemas, topics
from processor.cli.common.given import hoisted, takes_settings
from processor.cli.common.output import JSON_FLAG, tell
from processor.cli.common.streams import ReaderGone
from processor.cli.console import command as console
from processor.cli.dead_letters import commands as dead_letters
from processor.cli.demo import command as demo
from processor.cli.produce import command as produce
from processor.cli.replay import commands as replay
from processor.cli.sessions import commands as sessions
from processor.errors import ProcessorError
from processor.telemetry.logging import configure

INTERRUPTED: Final = 130
READER_GONE: Final = 141
"""What a shell says of a command that SIGPIPE ends."""

app = typer.Typer(
    name="session-processor",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# One line a command; see the package's docstring.
app.command("run")(run.command)
app.command("produce")(produce.command)
app.add_typer(sessions.app)
app.add_typer(dead_letters.app)
app.add_typer(replay.app)
app.command("console")(console.command)
app.command("demo")(demo.command)
app.add_typer(topics.app)
app.add_typer(schemas.app)
app.add_typer(offsets.app)
app.add_typer(config.app)
app.add_typer(local.app)


def _root(_ctx: typer.Context) -> None:
    """Fold shopping-session updates from Kafka into session state, exactly once.

    Settings may stand before or after the command, in the environment, or in a TOML file.

    Example: session-processor run --group-id checkout
    """


app.callback()(takes_settings(_root))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; a user's mistake prints no traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _commanded(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except ReaderGone:
        return READER_GONE
    except ProcessorError as error:
        tell(error, as_json=JSON_FLAG in given)
        return error.exit_code
    except Exception:  # noqa: BLE001  the last resort: told in the log
        if not structlog.is_configured():
            configure("auto", "info")
        structlog.get_logger(__name__).exception("this is a defect of session-processor")
        return 1
    return code


def _commanded(arguments: Sequence[str]) -> int:
    try:
        get_command(app).main(hoisted(arguments), prog_name="session-processor")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0
