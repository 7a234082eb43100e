"""Partitions that wait for a schema: whatever else goes wrong meanwhile, nothing is skipped."""

from collections.abc import Iterator
from random import Random

import oracle
import pytest
from fakes.registry import FakeRegistry
from fakes.service import HARSH, LIMITS, PARTITIONS, Service, World, partition_of
from oracle import Document, Entry, Formats
from runtime.test_runner import FAULTS

from processor.avro.framing import confluent, single_object
from processor.avro.schemas import load_schemas
from processor.demo.traffic import DemoUpdate, updates
from processor.errors import Forbidden
from processor.ports.log import Topic
from processor.ports.registry import RegistryUnavailable, SchemaId, SchemaText

READER = load_schemas().updates.reader
FRAME = single_object(READER.fingerprint)
FIRST = 1_000
"""Ids from here on are those of the present schema."""


class Flaky(FakeRegistry):
    """Answers now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = Random(seed)

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        self.asked.append(schema_id)
        if self._random.random() < 0.4:
            raise RegistryUnavailable("not now")
        known = isinstance(schema_id, int) and schema_id >= FIRST
        return SchemaText(READER.text) if known else None


@pytest.fixture(autouse=True)
def _oracle_reads_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the oracle read an id of the present schema as its fingerprint."""
    read = oracle.read_update

    def read_update(entry: Entry, formats: Formats) -> tuple[Document, bool]:
        value = entry.value or b""
        known = value[:1] == b"\x00" and int.from_bytes(value[1:5], "big") >= FIRST
        return read(entry._replace(value=FRAME + value[5:]) if known else entry, formats)

    monkeypatch.setattr(oracle, "read_update", read_update)


def by_ids(count: int, seed: int, ids: range) -> Iterator[DemoUpdate]:
    """Yield a harsh stream, every third update under one of the ids."""
    for place, update in enumerate(updates(count, seed=seed, mix=HARSH, partition=partition_of)):
        value = update.value or b""
        if place % 3 == 0 and value.startswith(FRAME):
            update = update._replace(  # noqa: PLW2901
                value=confluent(ids[place // 3 % len(ids)]) + value[len(FRAME) :]
            )
        yield update


def service_with(world: World, registry: FakeRegistry) -> Service:
    return world.service(LIMITS._replace(max_batch=23), registry=registry)


@pytest.mark.parametrize("seed", range(4))
def test_with_a_registry_that_answers_now_and_then_all_is_exact(world: World, seed: int) -> None:
    registry = Flaky(seed)
    service = service_with(world, registry)
    world.feed(by_ids(400, seed, range(FIRST, FIRST + 40)))
    service.run_until_processed()
    world.assert_exact()
    assert len(registry.asked) > 40


@pytest.mark.parametrize("seed", range(6))
def test_faults_of_the_others_while_partitions_wait(world: World, seed: int) -> None:
    names = sorted(FAULTS)
    service = service_with(world, Flaky(seed))
    for turn in range(6):
        FAULTS[names[(seed * 5 + turn * 7) % len(names)]][0](service)
        begin = FIRST + 100 * turn
        world.feed(by_ids(30, 100 * seed + turn, range(begin, begin + 10)))
        service.run_until_processed()
    world.assert_exact()


def test_ids_that_do_not_exist_become_dead_letters_and_the_rest_goes_on(world: World) -> None:
    service = service_with(world, Flaky(1))
    world.feed(by_ids(200, 3, range(10, 30)))
    service.run_until(lambda: sum(each.offset for each in world.broker.committed.values()) > 0)
    service.run_until_processed()
    found = world.assert_exact()
    assert sum(len(each.dead_letters) for each in found.values()) > 60


def test_a_partition_that_waits_is_taken_over_by_another_member(world: World) -> None:
    away = FakeRegistry()
    away.gone()
    first = service_with(world, away)
    world.feed(by_ids(200, 4, range(FIRST, FIRST + 20)))
    first.run_until(lambda: first.gate is not None and len(first.gate.partitions) == PARTITIONS)
    first.subscription.close()
    second = service_with(world, Flaky(2))
    second.run_until_processed()
    world.assert_exact()


def test_until_end_does_not_end_while_a_partition_waits(world: World) -> None:
    """Its position is past what was fetched; what is committed is not."""
    world.feed(by_ids(200, 5, range(FIRST, FIRST + 20)))
    registry = FakeRegistry()
    registry.gone()
    registry.texts |= dict.fromkeys(range(FIRST, FIRST + 20), READER.text)
    service = world.service(registry=registry, until_end=True)
    begin = world.clock.now
    world.clock.after(10.0, lambda: setattr(registry, "away", None))
    service.run_until(lambda: False)
    assert world.clock.now > begin + 10.0
    assert world.processed()
    world.assert_exact()


def test_a_lag_is_told_of_what_waits(world: World) -> None:
    registry = FakeRegistry()
    registry.gone()
    service = service_with(world, registry)
    world.feed(by_ids(200, 4, range(FIRST, FIRST + 20)))
    later = world.clock.now + 10
    service.run_until(lambda: world.clock.now > later)
    lags = [
        world.broker.extent(Topic.UPDATES, each).end - world.broker.committed[each].offset
        for each in range(PARTITIONS)
    ]
    assert all(lags)
    told = [service.counted("lag_records", {"partition": str(p)}) for p in range(PARTITIONS)]
    assert told == lags
    assert service.health.live().good


def test_a_registry_that_refuses_ends_the_loop(world: World) -> None:
    registry = FakeRegistry()
    registry.away = Forbidden("the schema registry refuses schema 1000: no (HTTP 401)")
    service = service_with(world, registry)
    world.feed(by_ids(20, 4, range(FIRST, FIRST + 20)))
    with pytest.raises(Forbidden):
        service.run_until_processed()
