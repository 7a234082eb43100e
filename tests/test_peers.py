"""The peers of the bench, as far as no server is needed: what they fold and how they are judged."""

import shutil
from importlib import import_module
from pathlib import Path

import pytest

from bench.figures import Figures
from bench.peers import roster, turns
from bench.peers.check import letters_differ, sample
from bench.peers.exactness import Tally, tally
from bench.peers.output import Letter
from bench.peers.roster import PEERS, NotHereError, Peer
from bench.peers.table import markdown
from bench.peers.turns import Extent
from bench.service import Place
from processor.avro.codec import SnapshotCodec, UpdateCodec
from processor.avro.framing import DecodeError
from processor.avro.schemas import load_schemas
from processor.core.fold import fold
from processor.core.outcome import Accepted, Rejected
from processor.core.session import Session
from processor.core.update import SessionUpdate
from processor.core.validate import validate

PYTHON = Path(roster.__file__).parent / "python"
SCHEMAS = load_schemas()


def ours(known: Session | None, value: bytes | None, offset: int) -> Session | str | None:
    try:
        update = validate(UpdateCodec(SCHEMAS.updates).read(value or b"", offset))
    except DecodeError:
        return "undecodable"
    assert isinstance(update, SessionUpdate)
    outcome = fold(known, update, None)
    if isinstance(outcome, Accepted):
        return outcome.session
    return outcome.reason.value if isinstance(outcome, Rejected) else None


def test_the_peers_in_python_fold_as_the_processor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PYTHON)
    theirs = import_module("essentials").fold
    codec = SnapshotCodec(SCHEMAS.snapshots)
    sessions: dict[bytes, Session] = {}
    snapshots: dict[bytes, bytes] = {}
    seen = set()
    for offset, update in enumerate(sample()):
        key = update.key or b""
        expected = ours(sessions.get(key), update.value, offset)
        found = theirs(snapshots.get(key), update.value, offset)
        if isinstance(expected, Session):
            assert found == codec.write(expected)
            sessions[key], snapshots[key] = expected, found
            seen.add("accepted")
        else:
            assert found == expected
            seen.add(str(expected))
    rejected = {"undecodable", "transition-not-allowed", "session-not-open", "unknown-session"}
    assert seen == rejected | {"accepted", "None"}


def test_each_session_must_have_its_versions_once_and_in_order() -> None:
    def judged(*versions: int) -> Tally:
        return tally([b"k"] * 3, {b"k": [{"version": each} for each in versions]})

    assert judged(1, 2, 3) == (0, 0)
    assert judged(1, 3) == (1, 0)
    assert judged(1, 2, 2, 3) == (0, 1)
    assert judged(2, 1, 3) == (1, 1)
    assert judged(1, 2, 3, 4) == (0, 1)
    assert tally([b"k"], {}) == (1, 0)
    assert tally([], {b"stranger": [{"version": 1}]}) == (0, 1)


def test_a_dead_letter_is_compared_with_its_origin() -> None:
    one = Letter(b"undecodable", (b"updates", b"0", b"7"), b"junk")
    assert letters_differ({b"k": [one]}, {b"k": [one]}) is None
    other = one._replace(origin=(b"updates", b"0", b"8"))
    assert "b'8'" in str(letters_differ({b"k": [one]}, {b"k": [other]}))
    assert "None of the peer" in str(letters_differ({b"k": [one]}, {}))


def test_a_peer_without_its_tools_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = next(peer for peer in PEERS if peer.name == "streams")
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "mvn" else f"/usr/bin/{tool}")
    with pytest.raises(NotHereError, match=r"^no mvn"):
        streams.prepare()


def test_the_table_tells_what_a_crash_left() -> None:
    exact: Figures = {"missing_after_kill": 0.0, "surplus_after_kill": 0.0}
    wrong: Figures = {"missing_after_kill": 12.0, "surplus_after_kill": 3.0}
    text = markdown({"processor": exact, "plain": wrong}, {"quix": "it ended\nits log"})
    assert "| exact |" in text
    assert "| 12 missing, 3 too many |" in text
    assert "not measured: it ended |" in text


def test_the_processor_is_told_in_times_of_the_floor_and_the_others_in_times_of_it() -> None:
    costs = {"floor": 2.0, "processor": 6.0, "plain": 60.0}
    text = markdown({name: {"cpu_us_per_event": cost} for name, cost in costs.items()}, {})
    assert "| Session processor | 6.0 (3× the floor) |" in text
    assert "| Floor | 2.0 (0.33×) |" in text
    assert "| Plain loop | 60.0 (10×) |" in text


def test_the_floor_has_the_processors_properties_as_text() -> None:
    given = next(peer for peer in PEERS if peer.name == "floor").command(PLACE)
    apart = given.index("--")
    assert "isolation.level=read_committed" in given[:apart]
    assert "socket.nagle.disable=true" in given[apart:]
    assert "transactional.id=bench-floor" in given[apart:]


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Turns without servers, and the log of them: the second costs more, and Quix falls over."""
    log: list[str] = []

    def cost(peer: Peer, place: Place, _updates: int, _seconds: float) -> Figures:
        if peer.name == "quix":
            raise RuntimeError("it fell over\nits log")
        log.append(f"{place.name} {place.settings.updates_topic}")
        return {"cpu_us_per_event": 10.0 * len(log), "peak_rss_mb": 100.0 * len(log)}

    def live(peer: Peer, place: Place, _seconds: float, settle: float) -> Figures:
        log.append(f"{place.name} settles for {settle:.0f}")
        return {"back_seconds": None if peer.name == "plain" else 5.0}

    monkeypatch.setattr(turns, "fill", lambda *_: None)
    monkeypatch.setattr(turns, "cost", cost)
    monkeypatch.setattr(turns, "live", live)
    monkeypatch.setattr(Place, "create_topics", lambda _: None)
    return log


PLACE = Place("127.0.0.1:1", "redis://127.0.0.1:1", "bench", 1, Path())


def test_peers_take_turns_on_one_input_and_one_that_fails_takes_no_more(turned: list[str]) -> None:
    ours, quix = PEERS[0], next(peer for peer in PEERS if peer.name == "quix")
    results = turns.measured([ours, quix], PLACE, Extent(updates=10, rounds=2))
    assert turned == [
        "bench-processor-1 bench-updates",
        "live-processor settles for 60",
        "bench-processor-2 bench-updates",
    ]
    figures = {"cpu_us_per_event": 20.0, "peak_rss_mb": 300.0, "back_seconds": 5.0}
    assert results.figures == {"processor": figures}
    assert results.failed == {"quix": "it fell over\nits log"}


def test_no_turn_begins_when_time_is_up(turned: list[str]) -> None:
    results = turns.measured(PEERS, PLACE, Extent(updates=10, minutes=0))
    assert not turned
    assert results == ({}, dict.fromkeys((peer.name for peer in PEERS), "time was up"))
