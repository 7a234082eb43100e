"""What customers' values look like on a page: read without loss, and hidden unless wanted."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

HIDDEN: Final = "hidden"
_DIGITS: Final = 18
_SHOWN: Final = frozenset(
    {
        *("applicationId", "integrationId", "state", "previousState", "transition", "version"),
        *(
            "created",
            "updated",
            "firstSession",
            "inputOffset",
            "lastEventId",
            "eventId",
            "eventTime",
        ),
        *("outputPartition", "outputOffset", "partition", "offset", "offsetTo", "topic"),
        *("kind", "timestamp", "life", "begins", "missing", "endedBy", "asOf", "doubt", "whole"),
        *("summary", "partitions", "byField", "different", "start", "at", "end", "left"),
        *("place", "reason", "key", "bytes", "of", "format", "name", "from", "sessionUnknown"),
    }
)
"""The members that say what happened to a session, and nothing of who or what it is about."""
_CONTAINERS: Final = frozenset(
    {"session", "update", "command", "changed", "examples", "fields", "headers", "source"}
)
"""The members whose own members are looked at one by one."""


class Masking(NamedTuple):
    """Which values are hidden."""

    show: bool = False
    fields: frozenset[str] = frozenset()
    """Names that are hidden though values are shown, wherever they stand."""

    def of(self, document: Any) -> Any:
        """Return a document with what is to be hidden replaced."""
        return self._masked(document, shown=self.show)

    def _masked(self, value: Any, *, shown: bool) -> Any:
        if isinstance(value, Mapping):
            return {name: self._member(name, each, shown=shown) for name, each in value.items()}
        if isinstance(value, list):
            return [self._masked(each, shown=shown) for each in value]
        return value

    def _member(self, name: str, value: Any, *, shown: bool) -> Any:
        if value in (None, "", [], {}):
            return value
        if name in self.fields:
            return HIDDEN
        if shown or name in _SHOWN:
            return self._masked(value, shown=True)
        if name in _CONTAINERS and isinstance(value, list | Mapping):
            return self._masked(value, shown=False)
        many = len(value) if isinstance(value, list | Mapping) else 0
        return f"{HIDDEN} ({many})" if many else HIDDEN


def read(text: str) -> Any:
    """Return what a JSON text says; a number that would lose something stays a text."""
    return json.loads(text, parse_int=_int, parse_float=_float, parse_constant=str)


def _int(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if isfinite(number) else text
