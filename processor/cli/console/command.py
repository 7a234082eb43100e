"""`console`: pages for a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from processor.cli.common.option_block import takes_blocks
from processor.cli.common.output import JSON_FLAG, note, print_json, settings_from
from processor.config import Settings, checks
from processor.errors import ConfigError, InputError
from processor.ports.clock import SYSTEM_CLOCK

PORT: Final = 9465
_PROXY: Final = "A proxy before it asks who it is."
_ACTIONS: Final = "Answer POST too: dry runs of a redrive."
_VALUES: Final = "Show what sessions and dead letters say."
_Texts = list[str] | None


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """Who may ask, and what is shown; they stand in this order in the command's help."""

    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where it answers.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: any free one.")] = PORT
    member: Annotated[_Texts, typer.Option(metavar="URL", help="Ask this too; repeatable.")] = None
    allow_host: Annotated[
        _Texts, typer.Option(metavar="NAME", help="A name that browsers know it by; repeatable.")
    ] = None
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask who it is: a line NAME:PASSWORD each.")
    ] = None
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help=_PROXY)] = False
    allow_actions: Annotated[bool, typer.Option("--allow-actions", help=_ACTIONS)] = False
    show_values: Annotated[bool, typer.Option("--show-values", help=_VALUES)] = False
    mask: Annotated[str, typer.Option(metavar="FIELD,…", help="Hide these all the same.")] = ""


@takes_blocks
def command(
    ctx: typer.Context,
    *,
    options: ConsoleOptions,
    as_json: Annotated[bool, typer.Option(JSON_FLAG, help="Say in JSON where it answers.")] = False,
) -> None:
    """Show the deployment in a browser: is it well and, if not, what to run; until Ctrl-C.

    It changes nothing, answers on this machine alone, and hides what sessions and dead letters say,
    unless it is told otherwise. It asks the processes that announce themselves in Redis, and Kafka
    as the other commands do. Needs the extra `console`.

    Example: session-processor console --show-values --mask email,phone
    """
    opened(settings_from(ctx), options, as_json=as_json)


def opened(settings: Settings, options: ConsoleOptions, *, as_json: bool) -> None:
    """Show a deployment until a signal ends it. Raises ConfigError and InputError."""
    members = [*map(_url, options.member or ())]
    try:
        from processor.console.console import Wishes, console
        from processor.console.security import Guard
        from processor.console.serving import listening, names_of, serve, users_of
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "processor":
            raise
        raise ConfigError(
            f"the console needs packages that are not there: {error.name}",
            hint="run `pip install 'session-processor[console]'`",
        ) from None
    from processor.cli.console.live import LiveSource
    from processor.console.values import Masking

    host, proxied = options.host, options.behind_proxy
    users = users_of(host, options.password_file, behind_proxy=proxied)
    guard = Guard(names_of(host, options.allow_host or ()), users, proxied, options.allow_actions)
    masked = frozenset(name.strip() for name in options.mask.split(",") if name.strip())
    wishes = Wishes(settings.group_id, guard, Masking(options.show_values, masked))
    app = console(LiveSource(settings, members), wishes, SYSTEM_CLOCK)
    listener = listening(host, options.port)
    place = f"[{host}]" if ":" in host else host
    url = f"http://{place}:{listener.getsockname()[1]}/"
    if as_json:
        print_json({"url": url})
    note(f"the console is at {url}; Ctrl-C ends it", as_json=as_json)
    serve(app, listener)


def _url(text: str) -> str:
    try:
        return checks.web_server(text)
    except ValueError as error:
        hint = "as in --member http://127.0.0.1:9464"
        raise InputError(f"--member {text}: {error}", hint=hint) from None
