"""The W3C trace context in a record's headers: what of it is passed on, and whether it is sampled.

https://www.w3.org/TR/trace-context-2/. Whoever made the record made its context; it is passed on as
it came or, where it is not sound, not at all.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
STATE_LIMIT: Final = 512
"""Bytes of a tracestate that are passed on; the standard asks for no more."""

_Headers = Sequence[tuple[str, bytes | None]]
_Context = Sequence[tuple[str, bytes]]
_SHAPE: Final = b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00"
"""A traceparent, 0 for each digit: version, trace id, span id, flags."""
_DIGITS: Final = bytes(
    ord("0") if each in b"0123456789abcdef" else each if each == ord("-") else 0
    for each in range(256)
)
_LEAST: Final = b"00-" + b"0" * 31 + b"1"
"""What comes before it, as bytes are compared, has no trace id."""
_NEXT_VERSION: Final = b"01"
_NO_VERSION: Final = b"ff"
_ZERO: Final = ord("0")
_SPAN_ID: Final = slice(36, 52)
_NO_SPAN: Final = b"0" * 16
_LAST_OF_SPAN: Final = 51
_LAST_DIGIT: Final = len(_SHAPE) - 1
SAMPLED_DIGITS: Final = b"13579bdf"
"""The last digits of flags, and so of a traceparent, that say: sampled."""
_NO_STATE: Final = (TRACESTATE, b"")


class TraceContext(NamedTuple):
    """A sampled context. The ids are in lower case hex."""

    trace_id: str
    span_id: str
    flags: int
    state: str
    """The tracestate, empty where there is none to pass on."""


def passed_on(headers: _Headers) -> _Context:
    """Return the headers that what becomes of a record has of its own: its context, if sound.

    Of two contexts nobody knows which holds: neither is passed on, nor is either of two states.
    """
    parent = state = None
    for header in headers:
        name = header[0]
        if name == TRACEPARENT:
            if parent is not None:
                return ()
            parent = header
        elif name == TRACESTATE:
            state = header if state is None else _NO_STATE
    if parent is None:
        return ()
    value = parent[1]
    # What is asked here is for the speed of it: most that are read are of this version, and sound.
    if (
        value is None
        or value.translate(_DIGITS) != _SHAPE
        or not _LEAST <= value < _NEXT_VERSION
        or (value[_LAST_OF_SPAN] == _ZERO and value[_SPAN_ID] == _NO_SPAN)
    ) and not _is_of_another_version(value):
        return ()
    if state is None or not _is_tracestate(state[1]):
        return (parent,)  # type: ignore[return-value]  # neither has None for a value
    return (parent, state)  # type: ignore[return-value]


def sampled(headers: _Headers) -> TraceContext | None:
    """Return a record's context if its producer sampled it, and it is sound."""
    context = passed_on(headers)
    if not context or context[0][1][_LAST_DIGIT] not in SAMPLED_DIGITS:
        return None
    _, trace_id, span_id, flags = context[0][1].decode("ascii").split("-")
    state = context[1][1].decode("ascii") if len(context) > 1 else ""
    return TraceContext(trace_id, span_id, int(flags, 16), state)


def _is_of_another_version(value: bytes | None) -> bool:
    """Whether it is a sound traceparent of a version to come, which begins as this one."""
    return (
        value is not None
        and value.translate(_DIGITS) == _SHAPE
        and _NEXT_VERSION <= value < _NO_VERSION
        and value[_SPAN_ID] != _NO_SPAN
        and b"00" + value[2:] >= _LEAST
    )


def _is_tracestate(value: bytes | None) -> bool:
    if not value or len(value) > STATE_LIMIT:
        return False
    return value.isascii() and value.decode("ascii").isprintable()
