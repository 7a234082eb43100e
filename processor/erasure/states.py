"""By when it is gone from each place, and whether it is."""

from collections.abc import Mapping, Sequence
from typing import Final

from processor.core.validate import MAX_EVENT_TIME
from processor.erasure.report import PlaceState, Report
from processor.erasure.search import Found
from processor.ports.lifetimes import Lifetime

REDIS: Final = "redis"
_REPLAY: Final = "replay "
_YEAR_MS: Final = 31_556_952_000
"""The mean length of a year."""
NOT_OURS: Final = (
    PlaceState(
        "redis persistence",
        "not ours",
        0,
        what_to_do="if Redis writes files, have it write them anew once it is gone from there: "
        "BGSAVE, BGREWRITEAOF, on replicas too; delete older ones and their backups",
    ),
    PlaceState(
        "files",
        "not ours",
        0,
        what_to_do="delete what `produce` was given, what `sessions export` and `dead-letters "
        "export` wrote, and the files for --offsets-file or --from-file that name it",
    ),
    PlaceState(
        "readers of the topics",
        "not ours",
        0,
        what_to_do="whoever copied output, letters or input elsewhere must erase there; readers of "
        "the output see a record without a value",
    ),
)
"""Places that only somebody else can look into. A produce or a redrive keeps no id in Kafka."""

_BY_ITSELF: Final = frozenset({"output", "claims", "input"})
"""Where the commands, and what comes of them, name the ids for a time, whatever was there."""


_LATE: Final = (
    "does the partition get records at all, and does the broker's log cleaner run? `topics check` "
    "compares the settings"
)
_LATE_IN_REDIS: Final = (
    "where it stays once the commands are applied it came with an update at the same time: erase "
    "it once more"
)

_FUTURE: Final = (
    "a record has a timestamp of the year {year}, and holds up what is behind it: "
    'docs/operations/sessions.md, "Erasing a person", says what to do'
)


def replay_place(name: str) -> str:
    """Return what a replay is called among the places."""
    return f"{_REPLAY}{name}"


def states(
    found: Mapping[str, Found], lifetimes: Mapping[str, Lifetime], from_ms: int
) -> tuple[PlaceState, ...]:
    """Return what stands in each place where the commands are applied at `from_ms`.

    A record with a later timestamp holds up compaction and retention until then.
    """
    places = [_state(place, each, lifetimes.get(place), from_ms) for place, each in found.items()]
    return (*places, *NOT_OURS)


def _state(place: str, found: Found, lifetime: Lifetime | None, from_ms: int) -> PlaceState:
    if not found.records and place not in _BY_ITSELF:
        return PlaceState(place, "gone", 0)
    seen = PlaceState(place, "kept", found.records, at=found.at)
    if place == REDIS:
        return seen._replace(
            state="gone by", values_by=from_ms, keys_by=from_ms, what_to_do=_LATE_IN_REDIS
        )
    if lifetime is None:
        name = place.removeprefix(_REPLAY)
        drop = f"`session-processor replay drop {name}`: a replay keeps all until then"
        return seen._replace(what_to_do=drop)
    start = max(from_ms, found.newest)
    if start + max(lifetime.value_ms or 0, lifetime.key_ms or 0) > MAX_EVENT_TIME:
        return seen._replace(what_to_do=_FUTURE.format(year=1970 + found.newest // _YEAR_MS))
    if lifetime.value_ms is not None:
        seen = seen._replace(values_by=start + lifetime.value_ms)
    if lifetime.key_ms is None:
        advice = f"set {lifetime.setting} of the topic: by what it is now, this never ends"
        return seen._replace(what_to_do=advice)
    return seen._replace(state="gone by", keys_by=start + lifetime.key_ms)


def verdicts(report: Report, found: Mapping[str, Found], now_ms: int) -> list[PlaceState]:
    """Return what is to be said of each place: what was searched, then what is not ours."""
    told = {each.place: each for each in report.places}
    searched = [
        _verdict(told.get(place) or PlaceState(place, "gone", 0), each, now_ms)
        for place, each in found.items()
    ]
    return [*searched, *(each for each in report.places if each.state == "not ours")]


def _verdict(told: PlaceState, found: Found, now_ms: int) -> PlaceState:
    if not found.records:
        return PlaceState(told.place, "gone", 0)
    seen = told._replace(records=found.records, at=found.at)
    if found.again:
        advice = "it was sent again after the erasure: erase it once more"
        return seen._replace(state="began again", what_to_do=advice)
    if told.place.startswith(_REPLAY):
        advice = told.what_to_do or _state(told.place, found, None, 0).what_to_do
        return seen._replace(state="kept", what_to_do=advice)
    if _is_late(found.values, told.values_by, told.state, now_ms) or _is_late(
        found.keys, told.keys_by, told.state, now_ms
    ):
        advice = _LATE_IN_REDIS if told.place == REDIS else _LATE
        return seen._replace(state="should be gone", what_to_do=advice)
    return seen


def _is_late(count: int, by: int | None, state: str, now_ms: int) -> bool:
    if not count:
        return False
    return state == "gone" if by is None else now_ms > by


def is_done(judged: Sequence[PlaceState]) -> bool:
    """Whether nothing is found any more in any place that can be searched."""
    return all(each.state in {"gone", "not ours"} for each in judged)
