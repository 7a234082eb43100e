"""The settings' flags: declared once from the settings themselves, valid around any command."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

from processor import __version__
from processor.cli.common.option_block import declared, parameter
from processor.config import LoadedSettings, load
from processor.config.settings import about, env_name
from processor.config.sources import CONFIG_VARIABLE, DEFAULT_FILE, FLAG_FIELDS, flag
from processor.telemetry.logging import configure

CONFIG_FLAG: Final = "--config"
FLAGS: Final = frozenset({CONFIG_FLAG, *map(flag, FLAG_FIELDS)})


@dataclass(slots=True)
class Given:
    """What the command line says of the settings; they are loaded when a command asks."""

    flags: dict[str, str]
    file: Path | None
    loaded: LoadedSettings | None = None

    def load(self) -> LoadedSettings:
        """Return the settings, the same each time; the first time sets up the logs as they say."""
        if self.loaded is None:
            self.loaded = load(self.flags, self.file)
            settings = self.loaded.settings
            configure(settings.log_format, settings.log_level)
            if self.loaded.ignored:
                structlog.get_logger(__name__).info(
                    "variables that Kubernetes injects for a service are ignored",
                    variables=self.loaded.ignored,
                )
        return self.loaded


def takes_settings(then: Callable[[typer.Context], None]) -> Callable[..., None]:
    """Give a root callback an option for each setting; `ctx.obj` is then what was `Given`."""

    def callback(*, ctx: typer.Context, **options: Any) -> None:
        options.pop("version")
        file = options.pop("config")
        flags = {field: value for field, value in options.items() if value is not None}
        ctx.obj = Given(flags, file)
        then(ctx)

    version = typer.Option(
        "--version", help="Print the version.", callback=_print_version, is_eager=True
    )
    options = [
        parameter("ctx", typer.Context, default=inspect.Parameter.empty),
        parameter("version", Annotated[bool, version], default=False),
        parameter("config", Annotated[Path | None, _option(CONFIG_FLAG, "FILE", _ABOUT_FILE)]),
    ]
    for field in FLAG_FIELDS:
        text = about(field)
        told = f"{text[:1].upper()}{text[1:]}. ({env_name(field)})"
        option = _option(flag(field), "VALUE", told)
        options.append(parameter(field, Annotated[str | None, option]))
    return declared(callback, then, options)


_ABOUT_FILE: Final = f"Read settings from a TOML file. ({CONFIG_VARIABLE}; else ./{DEFAULT_FILE})"


def _option(declared: str, metavar: str, about: str) -> Any:
    return typer.Option(
        declared, metavar=metavar, help=about, show_default=False, rich_help_panel="Settings"
    )


def _print_version(asked: bool) -> None:  # noqa: FBT001  the library calls it so
    if asked:
        sys.stdout.write(f"session-processor {__version__}\n")
        raise typer.Exit


def hoisted(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the settings' flags first, wherever before a `--` they stood."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, with_value, _ = argument.partition("=")
        if name in FLAGS:
            front.append(argument)
            if not with_value:
                front.extend(islice(remaining, 1))
        else:
            rest.append(argument)
            if argument == "--":
                rest.extend(remaining)
    return front + rest
