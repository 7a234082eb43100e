"""How long a topic keeps what was replaced, ended or sent, by its settings.

A compacted topic: a segment is closed `segment.ms` after its first record, once another record
follows, and compacted `max.compaction.lag.ms` later at the latest (KIP-354). What a later record of
its key replaced is gone then. A record without a value has that twice before it, once as what
replaces and once as what is old, and `delete.retention.ms` between (KIP-534).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

_NEVER_MS: Final = 100 * 366 * 24 * 3600 * 1000
"""What is kept for a century has no end here."""


class Lifetime(NamedTuple):
    """Milliseconds until a value, and what is left of it then, is gone; None: there is no end."""

    value_ms: int | None
    key_ms: int | None
    setting: str = ""
    """What keeps it, where there is no end."""


def lifetime(settings: Mapping[str, str]) -> Lifetime:
    """Return how long a topic with these settings, the broker's defaults among them, keeps it."""
    policies = settings.get("cleanup.policy", "delete").split(",")
    segment = _number(settings, "segment.ms")
    found = [
        how
        for policy, how in (
            ("compact", _compacted(settings, segment)),
            ("delete", _deleted(settings, segment)),
        )
        if policy in policies
    ]
    ended = [each for each in found if each.key_ms is not None]
    return min(ended or found, key=lambda each: each.key_ms or 0)


def _compacted(settings: Mapping[str, str], segment: int) -> Lifetime:
    once = segment + _number(settings, "max.compaction.lag.ms")
    if once >= _NEVER_MS:
        return Lifetime(None, None, "max.compaction.lag.ms")
    twice = 2 * once + _number(settings, "delete.retention.ms")
    return Lifetime(once, None, "delete.retention.ms") if twice >= _NEVER_MS else _of(once, twice)


def _deleted(settings: Mapping[str, str], segment: int) -> Lifetime:
    retention = _number(settings, "retention.ms")
    kept = segment + retention
    if retention < 0 or kept >= _NEVER_MS:
        return Lifetime(None, None, "retention.ms")
    return _of(kept, kept)


def _of(value_ms: int, key_ms: int) -> Lifetime:
    return Lifetime(value_ms, key_ms)


def _number(settings: Mapping[str, str], name: str) -> int:
    return int(settings.get(name, _NEVER_MS))
