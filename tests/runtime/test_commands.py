"""Commands end sessions: through the whole service, beside the oracle."""

from itertools import permutations

import pytest
from avro_bytes import SCHEMAS
from fakes.log import FakeCoordination, FakeScan
from fakes.service import LIMITS, STREAM, Replay, Service, World, partition_of
from golden import encoded, update
from oracle import decode_session
from session_commands import erase, expire

from processor.bootstrap.codecs import running_codecs
from processor.bootstrap.wiring import Limits
from processor.dead_letters.limits import FloodLimits
from processor.demo.traffic import DemoUpdate
from processor.ports.log import BatchAborted, Record, Topic
from processor.replay.live_state import LiveState
from processor.replay.plan import Plan, Range
from processor.state.checkpoint import CommitMetadata

KEY, OTHER = b"1:cart-17", b"1:cart-18"
MINE, THEIRS = partition_of(KEY), partition_of(OTHER)
SMALL = LIMITS._replace(cache=0)


def feed(world: World, *values: bytes, key: bytes = KEY) -> None:
    world.feed(DemoUpdate(key, value, (), 1_000, partition_of(key)) for value in values)


def versions(world: World, key: bytes = KEY) -> list[int]:
    """Return the versions of the session's records in the output, 0 for an end."""
    return [
        0 if each.value is None else decode_session(each.value)["version"]
        for each in world.records(Topic.SESSIONS, partition_of(key))
        if each.key == key
    ]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "limits", [LIMITS, SMALL, LIMITS._replace(part=1), LIMITS._replace(fold=1)], ids=str
)
@pytest.mark.parametrize("seed", range(2))
def test_what_is_published_is_what_the_oracle_says(
    world: World, limits: Limits, seed: int, *, compiled: bool
) -> None:
    world.feed_commanded(400, seed)
    service = world.service(limits, compiled=compiled)
    service.run_until_processed()
    results = world.assert_exact()
    told = [outcome for each in results.values() for outcome in each.outcomes.values()]
    assert len(told) == service.counted("records_total", {"outcome": "command"})
    ends = sum(each.value is None for of in results.values() for each in of.snapshots)
    for name in ("expire", "erase"):
        for outcome in ("ended", "passed-over"):
            assert counted(service, name, outcome) > 0
    # An erase may have claims alone to end.
    assert ends <= counted(service, "expire", "ended") + counted(service, "erase", "ended")


def counted(service: Service, command: str, outcome: str) -> float:
    return service.counted("commands_total", {"command": command, "outcome": outcome})


@pytest.mark.parametrize("limits", [LIMITS, SMALL, LIMITS._replace(part=1)], ids=str)
def test_within_a_transaction_the_session_is_absent_at_once(world: World, limits: Limits) -> None:
    feed(world, encoded(update(1, coupon="A")))
    service = world.service(limits)
    service.run_until_processed()
    feed(world, expire(KEY, 0), encoded(update(1)), encoded(update(2)), erase(KEY))
    feed(world, encoded(update(3, state="closed")), encoded(update(3)))
    service.run_until_processed()
    assert versions(world) == [1, 0, 1, 2, 0, 1]
    world.assert_exact()


def test_an_update_that_stands_before_an_expiry_wins(world: World) -> None:
    feed(world, encoded(update(1)), encoded(update(2)), expire(KEY, 0), expire(KEY, 1, "closed"))
    service = world.service()
    service.run_until_processed()
    assert versions(world) == [1, 2]
    assert counted(service, "expire", "passed-over") == 2
    assert committed(world, MINE).commands
    world.assert_exact()


def committed(world: World, partition: int) -> CommitMetadata:
    return CommitMetadata.decode(world.broker.committed[partition].metadata, STREAM.cluster)


def test_a_former_version_is_kept_away_from_the_first_command_on(world: World) -> None:
    """Whatever became of it, a version that knows no commands would make a dead letter of it."""
    service = world.service()
    service.run_until_processed()
    assert not committed(world, MINE).commands
    assert '"readable":1' in world.broker.committed[MINE].metadata
    feed(world, expire(KEY, 0) + b"?")
    service.run_until_processed()
    assert '"readable":2' in world.broker.committed[MINE].metadata
    assert not committed(world, THEIRS).commands
    feed(world, encoded(update(1)))
    service.run_until_processed()
    assert committed(world, MINE).commands


def claims(world: World) -> dict[str, bytes]:
    """Return the claims that Redis has."""
    generation = world.server.text(world.keys.claims(), b"generation")
    held = world.server.hashes[world.keys.holders(generation)]
    return {key.decode(): value for key, value in held.items() if key}


def test_a_forgotten_profile_has_another_first_session_and_a_released_one_none(
    world: World,
) -> None:
    feed(world, encoded(update(1, profileId="ada")), encoded(update(2, profileId="bob")))
    service = world.service()
    service.run_until_processed()
    assert claims(world) == {"1:ada": KEY, "1:bob": KEY}
    feed(world, erase(KEY, forget=("ada",), release=("bob", "eve")))
    service.run_until_processed()
    assert claims(world) == {"1:bob": b""}
    for number, profile in ((3, "ada"), (4, "bob")):
        feed(world, encoded(update(number, "cart-18", profileId=profile)), key=OTHER)
    service.run_until_processed()
    assert claims(world) == {"1:bob": b"", "1:ada": OTHER}
    world.assert_exact()
    # The topic says the same.
    world.server.hashes.clear()
    service.run_until_processed()
    service.run_until(lambda: service.claims.stream() is not None)
    assert claims(world) == {"1:bob": b"", "1:ada": OTHER}


@pytest.mark.parametrize("limits", [LIMITS, LIMITS._replace(part=1)], ids=str)
def test_an_erase_that_names_profiles_is_alone_in_its_transaction(
    world: World, limits: Limits
) -> None:
    service = world.service(limits)
    service.run_until_processed()
    feed(world, encoded(update(1)), erase(KEY), encoded(update(2)), erase(KEY, forget=("ada",)))
    feed(world, encoded(update(3)))
    service.run_until_processed()
    assert service.counted("batch_records_count") == 3
    assert versions(world) == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("step", ["flush", "commit"])
def test_an_erase_whose_batch_was_aborted_is_done_again(world: World, step: str) -> None:
    feed(world, encoded(update(1, profileId="ada")))
    service = world.service()
    service.run_until_processed()

    def aborted() -> None:
        # Nobody may be first between the two.
        assert claims(world)["1:ada"] == b""
        raise BatchAborted("the simulated broker says so")

    world.broker.at(step, aborted)
    feed(world, erase(KEY, forget=("ada",)), encoded(update(2, profileId="ada")))
    service.run_until_processed()
    assert versions(world) == [1, 0, 1]
    assert claims(world) == {"1:ada": KEY}
    world.assert_exact()


class Killed(BaseException):
    """The process ends here."""


def test_who_comes_after_a_kill_removes_what_was_committed_as_removed(world: World) -> None:
    feed(world, encoded(update(1, profileId="ada")))
    service = world.service()
    service.run_until_processed()

    def killed() -> None:
        raise Killed

    world.broker.at("committed", killed)
    feed(world, erase(KEY, forget=("ada",)))
    with pytest.raises(Killed):
        service.run_until_processed()
    assert claims(world)["1:ada"] == b""
    service.subscription.close()
    world.service().run_until_processed()
    assert claims(world) == {}
    world.assert_exact()


def test_commands_count_for_no_limit_on_dead_letters(world: World) -> None:
    limits = LIMITS._replace(flood=FloodLimits(consecutive=2))
    service = world.service(limits)
    wrong = expire(KEY, 0) + b"?"
    feed(world, b"?", wrong, wrong, b"?", expire(KEY, 0), wrong)
    service.run_until_processed()
    assert service.halts.partitions == {}
    feed(world, b"?")
    service.run_until(lambda: bool(service.halts.partitions))


def test_a_replay_counts_on_no_command_that_was_rejected(world: World) -> None:
    values = running_codecs(SCHEMAS, None, None, None, world.clock).values

    def counts(key: bytes, value: bytes | None) -> bool:
        return values.is_command(Record(0, 7, 0, key, value, ()))

    assert counts(KEY, erase(KEY))
    assert not counts(OTHER, erase(KEY))
    assert not counts(KEY, erase(KEY) + b"?")
    assert not counts(KEY, expire(KEY, -1))
    assert not counts(KEY, encoded(update(1)))
    assert not counts(KEY, None)


@pytest.mark.parametrize("places", [*permutations(range(3))], ids=str)
def test_a_replay_ends_no_claim_that_stands_in_live(
    world: World, places: tuple[int, int, int]
) -> None:
    """The erase came in another partition than the session's, at a later offset than its claim."""
    mine, theirs, third = (
        next(key for n in range(99) if partition_of(key := b"1:cart-%d" % n) == place)
        for place in places
    )
    live = world.service()

    def fold(key: bytes, value: bytes, partition: int) -> None:
        world.feed([DemoUpdate(key, value, (), 1_000, partition)])
        live.run_until_processed()

    def first(key: bytes, number: int) -> bytes:
        return encoded(update(number, key.decode()[2:], profileId="ada"))

    fold(mine, first(mine, 1), places[0])
    fold(mine, expire(mine, 0), places[0])
    for number in range(5):
        fold(theirs, encoded(update(10 + number, theirs.decode()[2:])), places[1])
    fold(mine, erase(mine, forget=("ada",)), places[1])
    fold(mine, first(mine, 2), places[0])
    fold(third, first(third, 3), places[2])
    again = World()
    for partition, log in enumerate(world.broker.logs[Topic.UPDATES]):
        again.broker.logs[Topic.UPDATES][partition].entries[:] = log.entries
    state = LiveState(STREAM, FakeCoordination(world.broker), FakeScan(world.broker))
    found, outputs = state.look()
    ranges = {each: Range(0, standing.committed or 0) for each, standing in found.items()}
    ends = {each: output.end for each, output in outputs.items()}
    plan = Plan("again", 0, STREAM, ranges, ends, state.claims_ends())
    again.service(replay=Replay(plan, world.broker)).run_until(lambda: False)
    for place in places:
        told = [each[3:5] for each in again.records(Topic.SESSIONS, place)]
        assert told == [each[3:5] for each in world.records(Topic.SESSIONS, place)]


def test_an_erase_that_waits_for_another_lets_that_be_taken_over(world: World) -> None:
    """The other is of a dead process: its partition is fenced first, which takes its time."""
    feed(world, encoded(update(1, profileId="ada")))
    dead = world.service()
    dead.run_until_processed()
    feed(world, erase(KEY, forget=("ada",)))

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    world.broker.at("commit", kill)
    with pytest.raises(Killed):
        dead.run_until_processed()
    world.broker.group.leave(dead.subscription.member)
    feed(world, erase(OTHER, forget=("ada",)), key=OTHER)
    successor = world.service()
    successor.run_until_processed()
    world.assert_exact()
