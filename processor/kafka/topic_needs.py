"""What each of the four topics must look like, and what it costs where one does not."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from processor.ports.lifetimes import lifetime
from processor.ports.log import Topic

Severity = Literal["error", "warning"]

MANY_PARTITIONS: Final = 12
"""How many partitions a new set of topics has: a count with many divisors shares out evenly."""
RECORD_LIMIT: Final = "max.message.bytes"
FOREVER: Final = "-1"
LONGEST_MS: Final = str(2**63 - 1)
DAY_MS: Final = 24 * 3600 * 1000
WEEK_MS: Final = 7 * DAY_MS
LETTERS_MS: Final = 14 * DAY_MS
"""How long a new topic keeps dead letters: a week, and another one to mend what caused them."""
COMPACTED_MS: Final = WEEK_MS + DAY_MS
"""After how long at the most a new output is compacted: a day after its snapshots may go."""
ROOM_FOR_A_KEY: Final = 16 * 1024
ROOM_FOR_HEADERS: Final = 64 * 1024
USUAL_RECORD_BYTES: Final = 1_048_588
"""What a broker takes unless it is told otherwise."""
LARGE_RECORD_BYTES: Final = 8 * 1024 * 1024
"""The most that the common managed brokers allow."""


GONE_MS: Final = 2 * (DAY_MS + COMPACTED_MS) + WEEK_MS
"""After how long nothing is left of an end in an output as it is created: 25 days."""
NEW: Final[Mapping[str, str]] = {}
"""The settings of a topic that is still to be made."""


class Need(NamedTuple):
    """One setting: when it will do, what a new topic gets, and what anything else costs."""

    setting: str
    to: str
    needed: str
    holds: Callable[[str], bool]
    severity: Severity
    cost: str


def exactly(setting: str, value: str, cost: str, severity: Severity = "error") -> Need:
    """Return the need of one value and no other."""
    return Need(setting, value, value, lambda found: found == value, severity, cost)


def at_least(
    setting: str, least: int, cost: str, severity: Severity = "error", to: int | None = None
) -> Need:
    """Return the need of a number that is not below `least`; a new topic gets `to`."""
    return Need(
        setting,
        str(least if to is None else to),
        f"at least {least}",
        lambda found: int(found) >= least,
        severity,
        cost,
    )


def at_most(setting: str, most: int, cost: str) -> Need:
    """Return the wish for a number that is not above `most`."""
    return Need(
        setting, str(most), f"at most {most}", lambda found: int(found) <= most, "warning", cost
    )


def needs(
    topic: Topic,
    max_snapshot_bytes: int,
    input_record_bytes: int,
    settings: Mapping[str, str] = NEW,
) -> list[Need]:
    """Return what a topic with such settings needs, a setting's graver need before the lesser."""
    match topic:
        case Topic.UPDATES:
            return _updates()
        case Topic.SESSIONS:
            return [*_sessions(max_snapshot_bytes), *_cleaned(settings, COMPACTED_MS)]
        case Topic.DEAD_LETTERS:
            return [*_dead_letters(input_record_bytes), *_ending(settings)]
        case Topic.CLAIMS:
            return [*_claims(max_snapshot_bytes), *_cleaned(settings, DAY_MS)]


def settings_for(
    topic: Topic, max_snapshot_bytes: int, input_record_bytes: int = USUAL_RECORD_BYTES
) -> dict[str, str]:
    """Return the settings that a new topic is created with."""
    wanted: dict[str, str] = {}
    for need in needs(topic, max_snapshot_bytes, input_record_bytes):
        if need is not _CLEAN_ELECTIONS:
            wanted.setdefault(need.setting, need.to)
    return wanted


def gone_after(settings: Mapping[str, str]) -> int:
    """Return after how many milliseconds a topic has nothing left of an end.

    A topic that never gets so far is taken for one as it is created.
    """
    gone_ms = lifetime(settings).key_ms
    return GONE_MS if gone_ms is None else gone_ms


_CLEAN_ELECTIONS: Final = exactly(
    "unclean.leader.election.enable",
    "false",
    "a broker that lags may be made leader, and records that were committed are gone",
    "warning",
)


def _updates() -> list[Need]:
    # How long updates are kept is for those to choose who may want to replay them.
    return [
        exactly(
            "cleanup.policy",
            "delete",
            "compaction removes updates that a later one of their session follows, read or not",
        ),
        _CLEAN_ELECTIONS,
    ]


def _carries_timestamps() -> list[Need]:
    """Return what a topic needs whose records have the timestamps of the updates."""
    return [
        exactly(
            "message.timestamp.type",
            "CreateTime",
            "the broker overwrites the updates' timestamps: a replay cannot start from a time",
        ),
        *_any_timestamp(),
    ]


def _any_timestamp() -> list[Need]:
    refused = "the broker refuses the record of an update with such a timestamp; the service stops"
    return [
        exactly("message.timestamp.after.max.ms", LONGEST_MS, refused),
        exactly("message.timestamp.before.max.ms", LONGEST_MS, refused),
    ]


def _cleaned(settings: Mapping[str, str], compacted_ms: int) -> list[Need]:
    """Return what it takes that ended sessions are gone by a date (docs/contract.md, "Topics")."""
    least = int(settings.get("min.compaction.lag.ms", 0)) + DAY_MS
    return [
        at_most(
            "segment.ms",
            DAY_MS,
            "what was erased stays so much longer: Kafka cleans no segment that it still writes to",
        ),
        at_most(
            "max.compaction.lag.ms",
            max(compacted_ms, least),
            "what was erased is gone once Kafka finds enough to compact, and by no date",
        ),
    ]


def _ending(settings: Mapping[str, str]) -> list[Need]:
    """Return what letters need that end, or letters of the former kind, which must not."""
    if settings.get("message.timestamp.type") == "CreateTime":
        return [
            exactly(
                "retention.ms",
                FOREVER,
                "letters expire by the timestamps of their updates, an old update's at once (with "
                "message.timestamp.type=LogAppendTime they may end: docs/operations/runbooks.md)",
            ),
            *_any_timestamp(),
        ]
    ending = [
        exactly("message.timestamp.type", "LogAppendTime", "letters expire by others' timestamps"),
        Need(
            "retention.ms",
            str(LETTERS_MS),
            f"at least {WEEK_MS}, or {FOREVER}",
            lambda found: found == FOREVER or int(found) >= WEEK_MS,
            "error",
            "letters are gone before somebody can see them, mend their cause and send them back",
        ),
    ]
    if settings.get("retention.ms") != FOREVER:
        ending.append(
            at_most(
                "segment.ms",
                DAY_MS,
                "letters stay so much longer than retention.ms: Kafka deletes whole segments",
            )
        )
    return ending


def _sessions(max_snapshot_bytes: int) -> list[Need]:
    # The key repeats what the snapshot holds, so it is never longer than the snapshot.
    any_key = max(2 * max_snapshot_bytes + ROOM_FOR_HEADERS, USUAL_RECORD_BYTES)
    room = max_snapshot_bytes + ROOM_FOR_A_KEY
    return [
        exactly(
            "cleanup.policy",
            "compact",
            "the last snapshots of sessions expire, and with them the sessions: this topic is the "
            "truth that Redis is rebuilt from",
        ),
        *_carries_timestamps(),
        at_least(
            RECORD_LIMIT,
            room,
            f"the broker refuses a snapshot of {max_snapshot_bytes} bytes, which "
            "PROCESSOR_MAX_SNAPSHOT_BYTES allows, and the service stops at its update",
            to=any_key,
        ),
        at_least(
            RECORD_LIMIT,
            any_key,
            "the service stops at an update whose key is very long and whose snapshot is close to "
            "PROCESSOR_MAX_SNAPSHOT_BYTES: the broker refuses the two in one record",
            "warning",
        ),
        at_least(
            # A week, because a bug that a weekend hid is still to be replayed and compared then.
            "min.compaction.lag.ms",
            WEEK_MS,
            "snapshots that a later one of their session replaced are removed so much sooner: a "
            "replay cannot start that far back in the middle of the log, nor be compared there",
            "warning",
        ),
        at_least(
            "delete.retention.ms",
            WEEK_MS,
            "what a process missed is read on from where it was for half of this; one that was "
            "away for longer reads its partitions from the start",
            "warning",
        ),
        _CLEAN_ELECTIONS,
    ]


def _dead_letters(input_record_bytes: int) -> list[Need]:
    least = input_record_bytes + ROOM_FOR_HEADERS
    return [
        exactly("cleanup.policy", "delete", "compaction removes all but a key's last letter"),
        exactly("retention.bytes", FOREVER, "the oldest letters are removed as new ones come"),
        at_least(
            # A broker limits what a record takes compressed, and the codec of a producer may do
            # better than ours; so more than the sum is given where nothing is lost by it.
            RECORD_LIMIT,
            least,
            "the broker refuses the letter of an update as large as the input takes, and the "
            "service stops at it",
            to=max(least, LARGE_RECORD_BYTES),
        ),
        _CLEAN_ELECTIONS,
    ]


def _claims(max_snapshot_bytes: int) -> list[Need]:
    # A claim is two keys' worth, and the snapshot that came with it holds both.
    return [
        exactly(
            "cleanup.policy",
            "compact",
            "claims expire, and a profile's next session is taken for its first once more",
        ),
        at_least(
            RECORD_LIMIT,
            max_snapshot_bytes + ROOM_FOR_A_KEY,
            "the service stops at an update whose key and profile are very long: the broker "
            "refuses the two in one record",
            to=max(max_snapshot_bytes + ROOM_FOR_HEADERS, USUAL_RECORD_BYTES),
        ),
        at_most(
            "delete.retention.ms",
            DAY_MS,
            "the profile id of a claim that was removed stays so much longer",
        ),
        _CLEAN_ELECTIONS,
    ]
