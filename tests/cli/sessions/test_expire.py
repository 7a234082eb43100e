"""`sessions expire`: what it finds due, and whom it leaves alone."""

import json
from collections.abc import Iterator

import pytest
from avro_bytes import SNAPSHOTS
from fakes.commands import FakeCommands
from fakes.log import FakeScan
from fakes.service import World
from golden import encoded, update
from session_commands import erase
from system.deployment import Deployment

from processor.cli.main import main
from processor.cli.sessions.expire import DueSessions, ExpireRequest, gather, send
from processor.core.session import State
from processor.dead_letters.redrive import RateLimit
from processor.demo.traffic import DemoUpdate, updates
from processor.ports.log import Outgoing, Topic
from processor.state.expiry import Stale, Unreadable

DAY = 86_400_000


def feed(world: World, key: bytes, day: float, value: bytes) -> None:
    world.feed([DemoUpdate(key, value, (), int(day * DAY), 0)])


def update_of(session: str, number: int, **fields: object) -> bytes:
    return encoded(update(number, session, **fields))


@pytest.fixture
def due() -> Iterator[DueSessions]:
    made = DueSessions()
    yield made
    made.close()


def gathered(
    world: World, due: DueSessions, states: tuple[State, ...], days: int, now: int
) -> Unreadable:
    asked = ExpireRequest(dict.fromkeys(states, days * DAY), now * DAY, None, send=True)
    end = world.broker.extent(Topic.SESSIONS, 0).end
    chunks = FakeScan(world.broker).read(Topic.SESSIONS, 0, 0, end)
    unreadable = Unreadable()
    gather(due, chunks, asked, SNAPSHOTS.read, unreadable)
    return unreadable


def test_the_last_snapshot_of_each_key_decides(world: World, due: DueSessions) -> None:
    world.broker.chunk = 2
    world.clock.now = 60 * DAY / 1000
    for number, (session, day, state) in enumerate(
        (
            ("old", 1, None),
            ("old", 1, "closed"),
            ("kept", 1, None),
            ("kept", 1, "closed"),
            ("kept", 50, "cancelled"),
            ("ended", 1, None),
            ("ended", 1, "closed"),
            ("open", 2, None),
            ("older", 3, None),
            ("older", 3, "closed"),
        )
    ):
        feed(world, f"1:{session}".encode(), day, update_of(session, number, state=state))
    feed(world, b"1:ended", 1, erase(b"1:ended"))
    world.service().run_until_processed()
    world.broker.append(Outgoing(Topic.SESSIONS, 0, 0, b"0:", None, ()))
    gathered(world, due, ("closed",), 30, now=51)
    found = {each.key: each[1:] for each in due}
    assert found == {b"1:old": (1, "closed", DAY), b"1:older": (9, "closed", 3 * DAY)}
    assert due.by_age(51 * DAY) == {("closed", 30): 2}
    gathered(world, due, ("open", "closed", "cancelled"), 0, now=51)
    assert due.by_age(51 * DAY) == {("closed", 30): 2, ("cancelled", 1): 1, ("open", 30): 1}


def test_an_update_meanwhile_wins_and_twice_is_harmless(world: World, due: DueSessions) -> None:
    world.clock.now = 50 * DAY / 1000
    for session in ("a", "b"):
        feed(world, f"1:{session}".encode(), 1, update_of(session, 1))
    service = world.service()
    service.run_until_processed()
    gathered(world, due, ("open",), 30, now=50)
    commands, pace = FakeCommands(world.broker), RateLimit(0.5, world.clock)
    feed(world, b"1:a", 50, update_of("a", 2))
    began = world.clock.now
    for _ in range(2):
        assert list(send(due, 0, commands, pace, 50 * DAY)) == [1, 1]
    assert world.clock.now - began >= 6
    service.run_until_processed()
    world.assert_exact()
    assert set(world.stored(0)) == {b"1:a"}
    assert service.counted("commands_total", {"command": "expire", "outcome": "ended"}) == 1


def test_ten_thousand_sessions_are_remembered_on_disk(due: DueSessions) -> None:
    each = [Stale(b"1:%d" % n, n, "open", n) for n in range(10_000)]
    due.add({stale.key: stale for stale in each})
    due.add({stale.key: None for stale in each[5_000:]})
    assert due.by_age(10 * DAY).total() == 5_000
    assert sorted(due) == sorted(each[:5_000])


@pytest.mark.parametrize("wrong", [("--state", "gone"), ("--older-than", "yesterday")])
def test_what_is_no_state_or_duration_is_refused(
    capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]
) -> None:
    given = {"--state": "open", "--older-than": "1d"} | dict([wrong])
    assert main(["sessions", "expire", *(text for each in given.items() for text in each)]) == 8
    assert wrong[0] in capsys.readouterr().err


def test_sessions_are_expired_by_hand(deployment: Deployment) -> None:
    expire = "sessions", "expire", "--state", "open", "--state", "closed", "--older-than", "1ms"
    refused = deployment.command(*expire, "--yes")
    assert refused.returncode == 5, refused.stderr
    assert "nothing was sent" in refused.stderr
    deployment.produce(updates(300, seed=7))
    run = deployment.run("--until-end")
    assert run.wait(180) == 0, run.log
    dry = deployment.command(*expire, "--json")
    assert dry.returncode == 0, dry.stderr
    told = json.loads(dry.stdout)
    assert told["sessions"] > 0
    assert told == {**told, "dryRun": True, "sent": 0}
    assert sum(each["sessions"] for each in told["byStateAndAge"]) == told["sessions"]
    done = deployment.command(*expire, "--max-rate", "100000", "--yes", "--json")
    assert json.loads(done.stdout) == told | {"dryRun": False, "sent": told["sessions"]}
    run = deployment.run("--until-end")
    assert run.wait(180) == 0, run.log
    left = json.loads(deployment.command(*expire, "--json").stdout)
    assert left["sessions"] == 0


def test_a_snapshot_that_cannot_be_read_is_counted_and_stays(
    world: World, due: DueSessions
) -> None:
    feed(world, b"1:old", 1, update_of("old", 1))
    world.service().run_until_processed()
    world.broker.append(Outgoing(Topic.SESSIONS, 0, DAY, b"1:foreign", b"not avro", ()))
    unreadable = gathered(world, due, ("open",), 30, now=50)
    assert [each.key for each in due] == [b"1:old"]
    place = world.broker.extent(Topic.SESSIONS, 0).end - 1
    assert unreadable.count == 1
    assert unreadable.first.startswith(f"0:{place}: a snapshot cannot be read")
