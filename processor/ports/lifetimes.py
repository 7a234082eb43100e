"""How long a topic keeps what was replaced, ended or sent, by its settings.

A compacted topic: a segment is closed once a record follows `segment.ms` or
`max.compaction.lag.ms` after its first one, whichever is less, and compacted after the latter
(KIP-354). The service has a record follow within half of `segment.ms` and a bit, so that both times
together are enough. What a later record of its key replaced is gone then. A record without a value
has that twice before it, once as what replaces and once as what is old, and `delete.retention.ms`
between (KIP-534).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

_NEVER_MS: Final = 100 * 366 * 24 * 3600 * 1000
"""What is kept for a century has no end here."""


class Lifetime(NamedTuple):
    """Milliseconds until a value is gone, and its key too; None: there is no end."""

    value_ms: int | None
    key_ms: int | None
    setting: str = ""
    """What keeps it, where there is no end."""


def lifetime(settings: Mapping[str, str]) -> Lifetime:
    """Return how long a topic with these settings, the broker's defaults among them, keeps it."""
    policies = settings.get("cleanup.policy", "").split(",")
    found = [
        how(settings)
        for policy, how in (("compact", _compacted), ("delete", _deleted))
        if policy in policies
    ]
    ended = [each for each in found if each.key_ms is not None]
    return next(iter(ended[::-1] or found), Lifetime(None, None, "cleanup.policy"))


def _compacted(settings: Mapping[str, str]) -> Lifetime:
    segment, lag, deletes = _times(
        settings, "segment.ms", "max.compaction.lag.ms", "delete.retention.ms"
    )
    for time, name in ((segment, "segment.ms"), (lag, "max.compaction.lag.ms")):
        if time is None:
            return Lifetime(None, None, name)
    once = (segment or 0) + (lag or 0)
    if deletes is None:
        return Lifetime(once, None, "delete.retention.ms")
    return Lifetime(once, 2 * once + deletes)


def _deleted(settings: Mapping[str, str]) -> Lifetime:
    segment, retention = _times(settings, "segment.ms", "retention.ms")
    if segment is None or retention is None:
        return Lifetime(None, None, "retention.ms" if retention is None else "segment.ms")
    return Lifetime(segment + retention, segment + retention)


def _times(settings: Mapping[str, str], *names: str) -> list[int | None]:
    """Return what settings say, None for one that means for ever or is not told."""
    found = (int(settings.get(name, -1)) for name in names)
    return [each if 0 <= each < _NEVER_MS else None for each in found]
