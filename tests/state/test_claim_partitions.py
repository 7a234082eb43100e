"""Bringing the claims in Redis to what their topic says."""

import pytest
from fakes.log import FakeCoordination, FakeScan
from fakes.redis import FakeClaims
from fakes.service import PARTITIONS, STREAM, World

from processor.ports.log import Outgoing, Topic
from processor.state.claims import ClaimsSource, inherited_by, rebuild_claims


def publish(world: World, partition: int, key: bytes | None, value: bytes | None) -> None:
    world.broker.append(Outgoing(Topic.CLAIMS, partition, 0, key, value, ()))


@pytest.fixture
def claims(world: World) -> FakeClaims:
    return FakeClaims(world.server, world.keys)


def test_each_step_is_a_chunk_and_shows_life(world: World, claims: FakeClaims) -> None:
    """Also one in which nothing came: then it waits."""
    world.broker.chunk = 1
    for partition in range(PARTITIONS):
        publish(world, partition, b"1:p%d" % partition, b"1:a")
    fills = list[int]()
    fill = claims.fill

    def counting(generation: str, found: dict[bytes, bytes | None]) -> None:
        fills.append(len(found))
        fill(generation, found)

    claims.fill = counting  # type: ignore[method-assign, assignment]
    coordination, scan = FakeCoordination(world.broker), FakeScan(world.broker)
    task = rebuild_claims(STREAM, claims, coordination, scan)
    assert next(task)
    world.broker.leaders_away.add((Topic.CLAIMS, 1))
    assert not next(task)
    assert fills == [1, 0]
    world.broker.leaders_away.clear()
    assert all(task)
    assert fills == [1, 0, *[1] * (PARTITIONS - 1)]


def test_what_is_nobodys_is_passed_and_the_last_of_a_profile_stands(
    world: World, claims: FakeClaims
) -> None:
    for key in (None, b"", b"0:"):
        publish(world, 0, key, b"x")
    publish(world, 0, b"1:p", b"1:a")
    publish(world, 0, b"1:q", b"1:a")
    publish(world, 0, b"1:p", b"1:b")
    publish(world, 0, b"1:q", None)
    publish(world, 0, b"1:r", b"")
    scan = FakeScan(world.broker)
    list(rebuild_claims(STREAM, claims, FakeCoordination(world.broker), scan))
    asked = ["0:", "1:p", "1:q", "1:r"]
    assert claims.holders(asked)[1] == {"1:p": "1:b", "1:r": ""}


def test_inherited_claims_stand_beside_and_below_its_own(world: World, claims: FakeClaims) -> None:
    live = World().broker
    for key in (b"1:p", b"1:q"):
        live.append(Outgoing(Topic.CLAIMS, 0, 0, key, b"1:live", ()))
    publish(world, 0, b"1:p", b"1:own")
    inherited = ClaimsSource(FakeScan(live), {0: 2})
    scan = FakeScan(world.broker)
    list(rebuild_claims(STREAM, claims, FakeCoordination(world.broker), scan, inherited))
    asked = ["1:p", "1:q", inherited_by("1:p"), inherited_by("1:q")]
    assert claims.holders(asked)[1] == {**dict.fromkeys(asked, "1:live"), "1:p": "1:own"}
