"""Where settings come from: flags over environment over a TOML file; and what is wrong with them.

A variable may name a file that holds the value instead: see `file_variable`.

Every refusal is a ConfigError that names the setting, where it was given and what to do.
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from processor.config.files import content, document
from processor.config.settings import (
    ENV_PREFIX,
    Settings,
    about,
    env_name,
    holds_secret,
    is_secret,
)
from processor.errors import ConfigError

DEFAULT_FILE: Final = Path("session-processor.toml")
CONFIG_VARIABLE: Final = "PROCESSOR_CONFIG"

# A secret on a command line is there for every user of the machine to read.
FLAG_FIELDS: Final = tuple(field for field in Settings.model_fields if not holds_secret(field))

_NAMES_A_FILE: Final = "_FILE"

_OF_A_SERVICE = re.compile(
    r"PROCESSOR(_[A-Z0-9_]+)?_"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_OF_WINDOWS: Final = frozenset(
    f"{ENV_PREFIX}{name}"
    for name in ("ARCHITECTURE", "ARCHITEW6432", "IDENTIFIER", "LEVEL", "REVISION")
)
"""What Windows says of the machine, to whatever runs there or is started from there."""
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class LoadedSettings(NamedTuple):
    """The settings, where each that was given came from, and which variables were passed over."""

    settings: Settings
    origins: Mapping[str, str]
    ignored: tuple[str, ...]


def load(flags: Mapping[str, str] | None = None, file: Path | None = None) -> LoadedSettings:
    """Gather the settings, or raise ConfigError; `flags` are by field name, `file` is --config."""
    variables = {
        name: text
        for name, text in os.environ.items()
        if name.startswith(ENV_PREFIX) and name not in _OF_WINDOWS
    }
    ignored = tuple(sorted(name for name, value in variables.items() if _injected(name, value)))
    _refuse_unknown_variables(name for name in variables if name not in ignored)
    environment = _from_environment({name.removeprefix(ENV_PREFIX).lower() for name in ignored})
    layers = [
        *_from_file(_chosen_file(file)),
        *environment,
        *_from_named_files({field for field, _, _ in environment}),
        *((field, value, f"the flag {flag(field)}") for field, value in (flags or {}).items()),
    ]
    values = {field: value for field, value, _ in layers}
    origins = {field: origin for field, _, origin in layers}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _explained(error, values, origins) from None
    return LoadedSettings(settings, origins, ignored)


def flag(field: str) -> str:
    """Return a setting's name on the command line."""
    return "--" + field.replace("_", "-")


def file_variable(field: str) -> str:
    """Return the name of the variable that names a file with a setting's value.

    For secrets, which are mounted as files; but any setting may come so.
    """
    return f"{env_name(field)}{_NAMES_A_FILE}"


Layer = list[tuple[str, Any, str]]
"""Field, value and origin of what one source gives."""


def _from_environment(ignored: set[str]) -> Layer:
    given = EnvSettingsSource(Settings)()
    layer = [
        (field, value, "the environment") for field, value in given.items() if field not in ignored
    ]
    for field, value, _ in layer:
        _refuse_what_a_file_added(field, str(value))
    return layer


def _refuse_what_a_file_added(field: str, value: str) -> None:
    """Refuse quotes and the ends of lines that are no part of a value.

    `docker run --env-file` leaves them on it. A secret that has them may come from a file.
    """
    name = env_name(field)
    bare = value.strip()
    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
    if not quoted and not value.endswith("\r"):
        return
    wrong = "stands in quotes" if quoted else "ends with a carriage return"
    plain = "…" if is_secret(field) else bare.strip("\"'")
    raise ConfigError(
        f"{name} (from the environment): the value {wrong}, which an --env-file does not take away",
        hint=f"write {name}={plain} without; if it is part of the value, name a file that holds "
        f"it by {file_variable(field)}",
    )


def _from_named_files(given: set[str]) -> Layer:
    """Read the files that variables name; `given` are the fields that variables give at once."""
    layer: Layer = []
    for field in Settings.model_fields:
        variable = file_variable(field)
        path = os.environ.get(variable)
        if not path or variable in map(env_name, Settings.model_fields):
            continue
        if field in given:
            raise ConfigError(
                f"{env_name(field)} and {variable} (both from the environment): both give the "
                "value",
                hint=f"remove one; {_hint(field)}",
            )
        layer.append((field, content(path, variable), f"the file {path}, by {variable}"))
    return layer


def _from_file(path: Path | None) -> Layer:
    if path is None:
        return []
    given = document(path)
    for key, value in given.items():
        if key not in Settings.model_fields:
            raise _unknown(key, value, path)
        for inner in value if isinstance(value, Mapping) else ():
            if inner in Settings.model_fields:
                raise ConfigError(
                    f"the setting {inner} stands in the table {key} of {path}",
                    hint=f"write it above the line [{key}]",
                )
    return [(field, value, f"the file {path}") for field, value in given.items()]


def _unknown(key: str, value: object, path: Path) -> ConfigError:
    """Return the error of a key that is no setting: its name may have dots, or be a table's."""
    name = key
    while isinstance(value, Mapping) and value:
        inner, value = next(iter(value.items()))
        if inner in Settings.model_fields:
            return ConfigError(
                f"unknown table {name} in {path}", hint=f"write {inner} at the top, in no table"
            )
        name = f"{name}.{inner}"
    plain = name.lower().removeprefix(ENV_PREFIX.lower()).replace(".", "_")
    return ConfigError(
        f"unknown setting {name} in {path}", hint=_nearest(plain, Settings.model_fields)
    )


def _chosen_file(given: Path | None) -> Path | None:
    """Return the file to read; one that was named must be there, the default one need not."""
    named = given or (Path(value) if (value := os.environ.get(CONFIG_VARIABLE)) else None)
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        by = "the flag --config" if given else f"the environment's {CONFIG_VARIABLE}"
        raise ConfigError(
            f"there is no file {named}, which {by} names", hint="name a file that is there"
        )
    return named


def _injected(name: str, value: str) -> bool:
    """Whether Kubernetes made this variable for a service whose name begins with `processor`.

    A service `processor-http` even yields PROCESSOR_HTTP_PORT; an address is never meant for us.
    """
    return _OF_A_SERVICE.fullmatch(name) is not None or (
        name.endswith("_PORT") and _SERVICE_ADDRESS.match(value) is not None
    )


def _refuse_unknown_variables(names: Iterable[str]) -> None:
    known = {CONFIG_VARIABLE, *map(env_name, Settings.model_fields)}
    known.update(map(file_variable, Settings.model_fields))
    for name in sorted(names):
        if name not in known:
            raise ConfigError(
                f"unknown setting {name} in the environment", hint=_nearest(name, known)
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    # The prefix that all share would make every name look near.
    bare = {full.removeprefix(ENV_PREFIX): full for full in known}
    match = get_close_matches(name.removeprefix(ENV_PREFIX).replace("-", "_"), bare, n=1)
    if match:
        return f"did you mean {bare[match[0]]}? If it is not meant for the processor, remove it"
    return "remove it; 'session-processor config show' lists every setting"


def _explained(
    error: ValidationError, values: Mapping[str, Any], origins: Mapping[str, str]
) -> ConfigError:
    told: list[str] = []
    hints: dict[str, None] = {}
    for detail in error.errors(include_url=False):
        # What follows from a value that is itself refused says nothing new.
        if detail["type"] == "default_factory_not_called":
            continue
        fields = _fields(detail)
        told.append(f"{_named(fields, origins)}: {_wrong(detail, fields, values, origins)}")
        hints.update(dict.fromkeys(_hint(field) for field in fields))
    return ConfigError("\n".join(told), hint="\n".join(hints))


def _fields(detail: ErrorDetails) -> tuple[str, ...]:
    if detail["type"] == "contradiction":
        fields: tuple[str, ...] = detail["ctx"]["fields"]
        return fields
    return (str(detail["loc"][0]),)


def _named(fields: Iterable[str], origins: Mapping[str, str]) -> str:
    return " and ".join(
        f"{env_name(name)} (from {origins.get(name, 'its default')})" for name in fields
    )


def _wrong(
    detail: ErrorDetails,
    fields: tuple[str, ...],
    values: Mapping[str, Any],
    origins: Mapping[str, str],
) -> str:
    wrong = detail["msg"].removeprefix("Value error, ")
    wrong = wrong[:1].lower() + wrong[1:] if wrong[:6] == "Input " else wrong
    given = values.get(fields[0])
    # What stands in a file of its own was put there to be told to nobody.
    secret = is_secret(fields[0]) or file_variable(fields[0]) in origins.get(fields[0], "")
    shown = isinstance(given, str | int | float) and "@" not in str(given)  # it may be a password's
    if detail["type"] == "contradiction" or secret or not shown:
        return wrong
    return f"{wrong} (it is {str(given)!r})"


def _hint(field: str) -> str:
    setting = Settings.model_fields[field]
    example = (setting.examples or [setting.default])[0]
    or_flag = f" (flag {flag(field)})" if field in FLAG_FIELDS else ""
    return f"{env_name(field)}{or_flag} is {about(field)}; for example {example}"
