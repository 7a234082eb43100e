"""How long a topic keeps what is gone, by its settings."""

import pytest

from processor.kafka.topic_needs import GONE_MS, gone_after
from processor.ports.lifetimes import Lifetime, lifetime

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


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (COMPACT, 25 * DAY),
        (COMPACT | {"max.compaction.lag.ms": str(500 * DAY)}, 2 * 501 * DAY + 7 * DAY),
        (COMPACT | {"max.compaction.lag.ms": LONGEST}, GONE_MS),
        ({}, GONE_MS),
    ],
)
def test_an_end_is_gone_when_its_key_is(settings: dict[str, str], wanted: int) -> None:
    assert gone_after(settings) == wanted
