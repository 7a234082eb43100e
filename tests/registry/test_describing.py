"""A cache that is restored has the schemas beside it that its snapshots are read by."""

from collections.abc import Iterator, Mapping

import pytest
from avro_bytes import SCHEMAS
from fakes.registry import FakeRegistry

from processor.avro.framing import confluent
from processor.ports.latest import Latest
from processor.ports.log import Topic
from processor.ports.registry import RegistryUnavailable
from processor.registry.describing import DescribingScan

TEXT = SCHEMAS.snapshots.reader.text
VALUES = (confluent(1), confluent(2), confluent(2), b"\xc3\x01" + bytes(8), b"\x00", None)


class Log:
    def latest(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[Latest]:
        assert (topic, partition) == (Topic.SESSIONS, 0)
        yield Latest(end, {b"%d" % at: VALUES[at] for at in range(start, end)})
        yield Latest(None, {})


class World:
    def __init__(self) -> None:
        self.fake = FakeRegistry()
        self.fake.texts = {1: TEXT, 2: TEXT}
        self.described: list[Mapping[str, str]] = []
        self.scan = DescribingScan(Log(), self.fake, {"1": TEXT}, self.described.append)

    def latest(self) -> Iterator[Latest]:
        return self.scan.latest(Topic.SESSIONS, 0, 0, len(VALUES))

    def read(self) -> int:
        return sum(len(found.values) for found in self.latest())


@pytest.fixture
def world() -> World:
    return World()


def test_a_schema_that_is_not_recorded_is_recorded_once(world: World) -> None:
    for _ in range(2):
        assert world.read() == len(VALUES)
    assert world.described == [{"2": TEXT}]
    assert world.fake.asked == [2]


def test_one_that_the_registry_lost_is_for_who_needs_it(world: World) -> None:
    del world.fake.texts[2]
    assert world.read() == len(VALUES)
    assert world.described == []


def test_nothing_is_yielded_before_its_schema_is_recorded(world: World) -> None:
    world.fake.gone()
    with pytest.raises(RegistryUnavailable):
        next(world.latest())
