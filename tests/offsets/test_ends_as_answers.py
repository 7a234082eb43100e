"""What a repair finds out where sessions have ended: through the service, and after it."""

import pytest
from avro_bytes import SCHEMAS
from fakes.log import FakeCoordination, FakeScan
from fakes.service import STREAM, World, partition_of
from golden import encoded, update
from session_commands import erase

from processor.bootstrap.codecs import running_codecs
from processor.demo.traffic import DemoUpdate
from processor.offsets.diagnosis import Diagnosis
from processor.offsets.setting import Repair, look
from processor.ports.log import Outgoing, Topic
from processor.state.checkpoint import CommitMetadata

KEY = b"1:cart-17"
MINE = partition_of(KEY)


@pytest.fixture
def ended() -> World:
    """A session that ended, and no process."""
    world = World()
    feed(world, encoded(update(1)), erase(KEY))
    service = world.service()
    service.run_until_processed()
    service.subscription.close()
    return world


def feed(world: World, *values: bytes) -> None:
    world.feed(DemoUpdate(KEY, value, (), 1_000, MINE) for value in values)


def repair(world: World) -> Repair:
    codecs = running_codecs(SCHEMAS, None, None, None, world.clock)
    diagnosis = Diagnosis(
        stream=STREAM,
        topics=lambda topic: topic.value,
        coordination=FakeCoordination(world.broker),
        scan=FakeScan(world.broker),
        answered=codecs.answered,
        event_id=codecs.event_id,
        clock=world.clock,
        on_progress=lambda *_: None,
    )
    return look(diagnosis, [MINE])


def test_an_end_answers_its_command(ended: World) -> None:
    del ended.broker.committed[MINE]
    found = repair(ended)
    assert found.found[0].evidence.snapshots == 1
    ended.broker.committed |= found.commits(STREAM, "a-repair")
    text = ended.broker.committed[MINE].metadata
    assert ended.broker.committed[MINE].offset == 2
    assert CommitMetadata.decode(text, STREAM.cluster).commands
    feed(ended, encoded(update(1)))
    ended.service().run_until_processed()
    ended.assert_exact()


def test_an_end_of_another_input_is_told_apart(ended: World) -> None:
    """At its offset the present input has something else, a command even."""
    del ended.broker.committed[MINE]
    ended.broker.logs[Topic.UPDATES][MINE].entries.clear()
    feed(ended, encoded(update(9)), erase(b"1:cart-18"))
    evidence = repair(ended).found[0].evidence
    assert (evidence.snapshots, evidence.former) == (-1, 1)


def test_a_tombstone_of_somebody_else_answers_nothing(ended: World) -> None:
    del ended.broker.committed[MINE]
    ended.broker.append(Outgoing(Topic.SESSIONS, MINE, 1_000, KEY, None, ()))
    assert repair(ended).found[0].evidence.snapshots == 1


def test_what_is_well_is_kept(ended: World) -> None:
    assert [each.action for each in repair(ended).steps] == ["keep"]


def test_letters_that_have_expired_answer_nothing(ended: World) -> None:
    """What they answered is rejected again, and the repair says so."""
    feed(ended, b"nothing")
    service = ended.service()
    service.run_until_processed()
    service.subscription.close()
    letters = ended.broker.logs[Topic.DEAD_LETTERS][MINE]
    letters.start = len(letters.entries)
    del ended.broker.committed[MINE]
    found = repair(ended)
    assert [each.offset for each in found.steps] == [2]
    assert "dead letters have expired" in " ".join(found.steps[0].notes)
    ended.broker.committed |= found.commits(STREAM, "a-repair")
    ended.service().run_until_processed()
    again = ended.records(Topic.DEAD_LETTERS, MINE)
    assert [each.value for each in again] == [b"nothing"]
