"""JSON as the processor prints it: an attribute may be a number of any length."""

import json
from typing import Any

_LONGEST = 4_000
"""Digits of which Python makes a number unasked."""


def any_json(text: str) -> Any:
    """Return what a text says; of a number of more digits than Python reads, its text."""
    return json.loads(text, parse_int=lambda told: int(told) if len(told) < _LONGEST else told)
