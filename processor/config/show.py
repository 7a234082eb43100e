"""The effective settings, as they may be shown: no secret among them."""

import json
import re
from typing import Any, NamedTuple

from pydantic import SecretStr

from processor.config.kafka import may_hold_secret
from processor.config.settings import Settings, env_name
from processor.config.sources import LoadedSettings

MASK = "***"

_USER_INFO = re.compile(r"://([^:/@]*):.*@")
_PASSWORD_PARAMETER = re.compile(r"([?&]\w*password=)[^&]*")


class Shown(NamedTuple):
    """One setting as it may be shown: its contract name, its value and where that came from."""

    name: str
    value: str
    source: str


def effective(loaded: LoadedSettings) -> list[Shown]:
    """Return every setting in the order of the documentation, secrets masked."""
    return [
        Shown(
            env_name(field),
            _masked(field, getattr(loaded.settings, field)),
            loaded.origins.get(field, "default").removeprefix("the "),
        )
        for field in Settings.model_fields
    ]


def _masked(field: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    if field == "kafka":
        shown = {
            name: MASK if may_hold_secret(name, each) else each for name, each in value.items()
        }
        return json.dumps(shown)
    if field == "redis_url":
        # Up to the last @, since a password may hold one that was not escaped.
        return _PASSWORD_PARAMETER.sub(rf"\1{MASK}", _USER_INFO.sub(rf"://\1:{MASK}@", value))
    return str(value)
