"""How long a topic keeps what is gone, by its settings."""

import pytest

from processor.erasure.lifetimes import Lifetime, lifetime

DAY = 86_400_000
LONGEST = str(2**63 - 1)
COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": str(DAY),
    "max.compaction.lag.ms": str(8 * DAY),
    "delete.retention.ms": str(7 * DAY),
    "retention.ms": str(DAY),
}
DELETE = {"cleanup.policy": "delete", "segment.ms": str(DAY), "retention.ms": str(14 * DAY)}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (COMPACT, Lifetime(9 * DAY, 25 * DAY)),
        (
            COMPACT | {"max.compaction.lag.ms": LONGEST},
            Lifetime(None, None, "max.compaction.lag.ms"),
        ),
        (COMPACT | {"segment.ms": LONGEST}, Lifetime(None, None, "segment.ms")),
        (
            COMPACT | {"delete.retention.ms": LONGEST},
            Lifetime(9 * DAY, None, "delete.retention.ms"),
        ),
        (DELETE, Lifetime(15 * DAY, 15 * DAY)),
        (DELETE | {"retention.ms": "-1"}, Lifetime(None, None, "retention.ms")),
        (DELETE | {"segment.ms": LONGEST}, Lifetime(None, None, "segment.ms")),
        (COMPACT | {"cleanup.policy": "compact,delete"}, Lifetime(2 * DAY, 2 * DAY)),
        (
            COMPACT | {"cleanup.policy": "delete,compact", "retention.ms": "-1"},
            Lifetime(9 * DAY, 25 * DAY),
        ),
        ({}, Lifetime(None, None, "cleanup.policy")),
    ],
)
def test_the_latest_time_is_told(settings: dict[str, str], wanted: Lifetime) -> None:
    assert lifetime(settings) == wanted
