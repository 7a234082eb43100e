"""What is remembered of a registry's answers, and for how long."""

from uuid import UUID

import pytest
from avro_bytes import SCHEMAS
from fakes.clock import FakeClock
from fakes.registry import FakeRegistry

from processor.avro.framing import DecodeError
from processor.errors import Forbidden
from processor.ports.registry import RegistryUnavailable, SchemaText
from processor.registry.ids import PATIENCE_S, RegisteredIds

TEXT = SCHEMAS.updates.reader.text


@pytest.fixture
def fake() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def ids(fake: FakeRegistry, clock: FakeClock) -> RegisteredIds:
    return RegisteredIds(fake, clock, capacity=8)


def test_a_schema_is_asked_for_once(fake: FakeRegistry, ids: RegisteredIds) -> None:
    fake.texts = {7: TEXT, UUID(int=7): TEXT}
    ids.ask([7, 7], 1.0)
    for schema_id in (7, UUID(int=7), 7):
        schema = ids.schema(schema_id)
        assert schema is not None
        assert schema.fingerprint == SCHEMAS.updates.reader.fingerprint
    assert fake.asked == [7, UUID(int=7)]
    assert ids.known(7)


def test_its_own_are_never_asked_for(fake: FakeRegistry, clock: FakeClock) -> None:
    ids = RegisteredIds(fake, clock, {3: SCHEMAS.snapshots.reader})
    ids.ask([3], 1.0)
    assert ids.schema(3) is SCHEMAS.snapshots.reader
    assert fake.asked == []


@pytest.mark.parametrize(
    "text",
    [
        'syntax = "proto3";',
        '{"type": "object"}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "other.Thing"}]}',
        '{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]}',
    ],
)
def test_one_that_is_no_schema_to_read_with_is_told(
    fake: FakeRegistry, ids: RegisteredIds, text: str
) -> None:
    fake.texts[7] = text
    for _ in range(2):
        with pytest.raises(DecodeError, match="schema 7 of the registry"):
            ids.schema(7)
    assert fake.asked == [7]
    assert ids.known(7)


def test_an_absent_one_is_asked_for_again_and_its_time_counts_from_the_first_answer(
    fake: FakeRegistry, ids: RegisteredIds, clock: FakeClock
) -> None:
    ids.ask([7], 1.0)
    assert ids.absent_for(7) == 0
    for _ in range(3):
        ids.ask([7], 1.0)  # too soon
    assert fake.asked == [7]
    while clock.now < 100 + PATIENCE_S:
        clock.now += 1.0
        ids.ask([7], 1.0)
    assert ids.absent_for(7) == PATIENCE_S
    assert len(fake.asked) == PATIENCE_S + 1
    fake.texts[7] = TEXT
    clock.now += 5.0
    ids.ask([7], 1.0)
    assert ids.known(7)
    assert ids.absent_for(7) is None


def test_an_old_answer_is_no_answer(
    fake: FakeRegistry, ids: RegisteredIds, clock: FakeClock
) -> None:
    """While the registry is away nothing is given up on what it said before."""
    ids.ask([7], 1.0)
    fake.gone()
    clock.now += 3_600
    ids.ask([7], 1.0)
    assert ids.absent_for(7) is None


def test_a_registry_away_is_left_alone_for_a_while_that_doubles(
    fake: FakeRegistry, ids: RegisteredIds, clock: FakeClock
) -> None:
    fake.gone()
    for _ in range(1_000):
        ids.ask([7, 8], 1.0)
        clock.now += 0.05
    assert 8 < len(fake.asked) < 20
    assert set(fake.asked) == {7}
    assert str(ids.unavailable) == "nobody is there"
    with pytest.raises(RegistryUnavailable):
        ids.schema(7)
    fake.away = None
    clock.now += 5.0
    ids.ask([7, 8], 1.0)
    assert str(ids.unavailable) == "None"
    assert ids.absent_for(8) == 0


def test_a_refusal_is_raised(fake: FakeRegistry, ids: RegisteredIds) -> None:
    fake.away = Forbidden("no")
    with pytest.raises(Forbidden):
        ids.ask([7], 1.0)


def test_made_up_ids_cost_no_memory_and_do_not_begin_again(
    ids: RegisteredIds, clock: FakeClock
) -> None:
    """What is waited for stays, though thousands of others come."""
    ids.ask([1, 2], 1.0)
    begun = clock.now
    for number in range(10, 5_000):
        ids.ask([1, 2, number], 1.0)
        clock.now += 0.01
        assert len(ids._answers) <= 8
    assert ids.absent_for(1) == pytest.approx(clock.now - begun, abs=6.0)


def test_asking_ends_in_time(fake: FakeRegistry, ids: RegisteredIds, clock: FakeClock) -> None:
    plain = fake.schema

    def slow(schema_id: object) -> SchemaText | None:
        clock.now += 0.6
        return plain(schema_id)  # type: ignore[arg-type]

    fake.schema = slow  # type: ignore[method-assign]
    ids.ask([1, 2, 3, 4], 1.0)
    assert fake.asked == [1, 2]
