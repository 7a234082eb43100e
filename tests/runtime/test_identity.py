"""Topics deleted, or created again, under a running service; readers' keys that are gone."""

import pytest
from fakes.service import World

from processor.errors import FailClosed, TopicError
from processor.ports.log import Topic
from processor.runtime.identity import ABSENT_S, WATCH_S


@pytest.mark.parametrize("topic", Topic)
def test_a_topic_that_was_created_again_ends_the_service_within_seconds(
    world: World, topic: Topic
) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    world.broker.ids[topic] = "another-id"
    began = world.clock.now
    with pytest.raises(FailClosed, match=f"topic {topic.value} was .* created again") as failed:
        service.run_until(lambda: False)
    assert world.clock.now - began < 2 * WATCH_S
    assert failed.value.hint is not None
    assert "offsets repair" in failed.value.hint


def test_an_output_that_lost_its_end_ends_the_service_with_its_next_batch(world: World) -> None:
    """Its replicas went, and one that was behind leads now: new snapshots take their places."""
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    for log in world.broker.logs[Topic.SESSIONS]:
        del log.entries[-30:]
    before = dict(world.broker.committed)
    world.feed_harsh(20, seed=2)
    with pytest.raises(FailClosed, match="published snapshots are gone") as failed:
        service.run_until(lambda: False)
    assert "offsets repair" in failed.value.hint
    assert world.broker.committed == before


def test_a_topic_that_is_unknown_for_a_moment_ends_nothing(world: World) -> None:
    """As in a rolling restart, where the broker that is asked has just started."""
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    known = world.broker.ids.pop(Topic.CLAIMS)
    until = world.clock.now + WATCH_S + ABSENT_S / 2
    service.run_until(lambda: world.clock.now > until)
    world.broker.ids[Topic.CLAIMS] = known
    world.feed_harsh(200, seed=2)
    service.run_until_processed()
    world.assert_exact()


def test_a_topic_that_stays_unknown_ends_the_service(world: World) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    del world.broker.ids[Topic.SESSIONS]
    began = world.clock.now
    with pytest.raises(TopicError, match="sessions"):
        service.run_until(lambda: False)
    assert world.clock.now - began < WATCH_S + 2 * ABSENT_S


def test_a_claims_topic_that_is_unknown_while_claims_are_rebuilt_is_waited_for(
    world: World,
) -> None:
    world.feed_harsh(200, seed=1)
    known = world.broker.ids.pop(Topic.CLAIMS)
    world.clock.after(ABSENT_S / 2, lambda: world.broker.ids.update({Topic.CLAIMS: known}))
    world.service().run_until_processed()
    world.assert_exact()


def test_no_answer_is_no_evidence(world: World) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until_processed()
    world.broker.available = False
    until = world.clock.now + 3 * ABSENT_S
    service.run_until(lambda: world.clock.now > until)
    world.broker.available = True
    world.feed_harsh(200, seed=2)
    service.run_until_processed()
    world.assert_exact()


def test_what_readers_need_is_written_again(world: World) -> None:
    service = world.service()
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    for key in (world.keys.meta(), world.keys.schemas()):
        del world.server.hashes[key]
    service.run_until(lambda: world.keys.meta() in world.server.hashes)
    assert world.server.hashes[world.keys.schemas()]
