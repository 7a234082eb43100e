"""The cache of one partition is lost: the others must not fold upon what was before the batch."""

from collections.abc import Callable
from zlib import crc32

import pytest
from fakes.service import PARTITIONS, World, partition_of

from processor.avro.codec import UpdateCodec
from processor.avro.schemas import load_schemas
from processor.core.update import SessionUpdate
from processor.demo.traffic import DemoUpdate
from processor.ports.log import Topic


def _coupons(name: str) -> list[DemoUpdate]:
    """Return an update for each of some sessions, enough that every partition has one."""
    codec = UpdateCodec(load_schemas().updates)
    made = []
    for number in range(8 * PARTITIONS):
        integration = f"s{number}"
        update = SessionUpdate(
            f"{name}-{crc32(integration.encode())}",
            1_700_000_000_000,
            1,
            integration,
            coupon=name,
        )
        key = f"1:{integration}".encode()
        made.append(DemoUpdate(key, codec.write(update), (), 1_700_000_000_000, partition_of(key)))
    return made


def _lose(world: World, partition: int) -> Callable[[], None]:
    return lambda: world.server.delete(world.keys.current(partition))


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_a_loss_after_the_commit_leaves_no_partition_behind(world: World, partition: int) -> None:
    """All that follows is found in the record cache, which no answer of Redis corrects."""
    service = world.service()
    world.feed(_coupons("a"))
    service.run_until_processed()
    for name in "bcd":
        world.feed(_coupons(name))
        world.broker.at("committed", _lose(world, partition))
        service.run_until_processed()
    world.feed(_coupons("e"))
    service.run_until_processed()
    world.assert_exact()
    assert all(world.records(Topic.SESSIONS, each) for each in range(PARTITIONS))
