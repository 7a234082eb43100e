"""Who waits for a schema, who passes, and for how long."""

from collections.abc import Callable

import pytest
from avro_bytes import SCHEMAS
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry

from processor.avro.framing import SCHEMA_ID_HEADER, confluent
from processor.ports.log import Headers, Record
from processor.registry.gate import VAIN_S, SchemaWait
from processor.registry.ids import PATIENCE_S, RegisteredIds
from processor.telemetry.health import Health
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

TEXT = SCHEMAS.updates.reader.text


class World:
    """A gate, its registry, and the log of each partition as the gate lets it through."""

    def __init__(self) -> None:
        self.fake = FakeRegistry()
        self.fake.texts[1] = TEXT
        self.clock = FakeClock(100.0)
        self.health = Health()
        observer = Observer(self.health, Metrics("fastavro"), self.clock)
        self.ids = RegisteredIds(self.fake, self.clock)
        self.gate = SchemaWait(self.ids, self.clock, observer)
        self.logs: dict[int, list[Record]] = {}
        self.passed: dict[int, int] = {}

    def feed(self, partition: int, *ids: int | None, headers: bool = False) -> None:
        log = self.logs.setdefault(partition, [])
        for schema_id in ids:
            header = b"\xc3\x01" if schema_id is None else confluent(schema_id)
            given: Headers = ((SCHEMA_ID_HEADER, header),) if headers else ()
            value = b"datum" if headers else header + b"datum"
            log.append(Record(partition, len(log), 0, b"k", value, given))

    def turn(self, limit: int = 100) -> None:
        """Poll as the runner does: what waits is not read, and comes again when it is due."""
        self.gate.take_due()
        polled = [
            record
            for partition, log in self.logs.items()
            if partition not in self.gate.partitions
            for record in log[self.passed.get(partition, 0) :][:limit]
        ]
        for record in self.gate.admit(polled):
            assert record.offset == self.passed.get(record.partition, 0)
            self.passed[record.partition] = record.offset + 1
        self.clock.now += 0.5

    def turn_until(self, holds: Callable[[], bool], seconds: float) -> float:
        """Turn until it holds; return how long it took."""
        begin = self.clock.now
        while not holds():
            self.turn()
            assert self.clock.now - begin <= seconds
        return self.clock.now - begin

    def warnings(self) -> set[str]:
        warnings = self.health.ready().body["warnings"]
        assert isinstance(warnings, dict)
        return set(warnings)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("headers", [False, True])
def test_known_ids_pass_at_once(world: World, *, headers: bool) -> None:
    world.feed(0, 1, 1, 1, headers=headers)
    world.feed(1, None, 1, headers=False)
    world.turn()
    assert world.passed == {0: 3, 1: 2}
    assert world.fake.asked == [1]
    assert not world.gate.partitions


def test_a_partition_waits_at_the_first_unknown_id_and_the_others_go_on(world: World) -> None:
    world.feed(0, 1, 9, 1)
    world.feed(1, 1, 1)
    world.turn()
    assert world.passed == {0: 1, 1: 2}
    assert set(world.gate.partitions) == {0}
    assert world.warnings() == {"schema of partition 0"}
    world.feed(1, 1)
    world.fake.texts[9] = TEXT
    world.turn_until(lambda: world.passed == {0: 3, 1: 3}, 3)
    assert not world.warnings()


def test_an_id_that_does_not_come_is_given_up_after_its_time(world: World) -> None:
    world.feed(0, 9, 1)
    took = world.turn_until(lambda: world.passed.get(0) == 2, 60)
    assert PATIENCE_S <= took <= PATIENCE_S + 3
    assert not world.warnings()


def test_several_that_do_not_come_are_waited_out_together(world: World) -> None:
    world.feed(0, *range(10, 60), 1)
    world.feed(1, *range(60, 90), 1)
    took = world.turn_until(lambda: world.passed == {0: 51, 1: 31}, 60)
    assert took <= PATIENCE_S + 3


def test_while_the_registry_is_away_nothing_is_given_up(world: World) -> None:
    world.feed(0, 9, 1)
    world.feed(1, 1)
    world.turn()
    world.fake.gone()
    for _ in range(1_000):
        world.turn()
    assert world.passed == {1: 1}
    assert world.warnings() == {"registry", "schema of partition 0"}
    world.fake.away = None
    world.fake.texts[9] = TEXT
    world.turn_until(lambda: world.passed == {0: 2, 1: 1}, 10)
    assert not world.warnings()


def test_made_up_ids_one_after_another_cannot_stop_a_partition_for_ever(world: World) -> None:
    """Each comes once the last is given up, behind more records than a poll takes."""
    waited = 0.0
    for number in range(1_000, 1_100):
        world.feed(0, *[1] * 100, number)
        due = len(world.logs[0])
        waited += world.turn_until(lambda: world.passed.get(0) == due, 60)  # noqa: B023
    assert waited < VAIN_S + 2 * PATIENCE_S + 200


def test_more_ids_than_can_be_remembered_pass_in_the_end(world: World) -> None:
    count = 3_000
    world.feed(0, *range(10, 10 + count), 1)

    def turn_all() -> bool:
        world.turn(limit=count)
        return world.passed.get(0) == count + 1

    begin = world.clock.now
    while not turn_all():
        assert world.clock.now - begin < 300
        assert len(world.ids._answers) <= world.ids.capacity


def test_an_id_in_apicurios_header_is_waited_for_too(world: World) -> None:
    held = ("apicurio.value.contentId", (7).to_bytes(8, "big"))
    world.logs[0] = [Record(0, 0, 0, b"k", b"datum", (held,))]
    world.turn()
    assert set(world.gate.partitions) == {0}
    world.fake.texts[7] = TEXT
    world.turn_until(lambda: world.passed == {0: 1}, 10.0)


def test_a_header_that_holds_no_id_is_for_decode_to_judge(world: World) -> None:
    record = Record(0, 0, 0, b"k", b"datum", ((SCHEMA_ID_HEADER, b"nonsense"),))
    assert world.gate.admit([record]) == [record]
    assert world.gate.admit([record._replace(value=None)]) != []
    assert world.fake.asked == []


def test_a_partition_that_is_revoked_is_forgotten(world: World) -> None:
    world.fake.gone()
    world.feed(0, 9)
    world.turn()
    assert "registry" in world.warnings()
    world.gate.forget([0])
    assert not world.gate.partitions
    assert not world.warnings()
