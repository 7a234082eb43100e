"""What answers about offsets, partitions and topics owe, on every log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from log_calls import NOON, a_snapshot, an_update, ends_of, join, member, scanned, stable
from system.process import eventually

from processor.errors import TopicError
from processor.ports.log import Committed, Ends, Extent, NotStable, Topic

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

pytest_plugins = ["fakes.log_backends"]


def test_a_pending_transaction_shows_and_fencing_ends_it(log: LogBackend) -> None:
    subscription = join(log)
    coordination = log.coordination()
    publication = log.publication()
    publication.begin()
    publication.send([a_snapshot(0)])
    publication.flush()
    publication.commit({0: Committed(1, "one")}, member(subscription))
    assert stable(coordination, 0) == Committed(1, "one")
    identity = log.die([a_snapshot(0, b"dead")], {0: Committed(2, "two")}, member(subscription))
    with pytest.raises(NotStable):
        coordination.committed(0, stable=True)
    assert coordination.committed(0, stable=False) == Committed(1, "one")
    assert coordination.committed(1, stable=True) is None
    assert coordination.extent(Topic.SESSIONS, 0) == Extent(0, 2, 3)
    eventually("the id fenced", lambda: coordination.fence(identity))
    assert stable(coordination, 0) == Committed(1, "one")
    assert coordination.extent(Topic.SESSIONS, 0) == Extent(0, 4, 4)
    assert [each.value for each in scanned(log, Topic.SESSIONS, 0)] == [b"s"]


def test_an_extent_begins_where_the_log_does(log: LogBackend) -> None:
    coordination = log.coordination()
    assert coordination.extent(Topic.UPDATES, 0) == Extent(0, 0, 0)
    log.feed([an_update(0) for _ in range(5)])
    log.expire(Topic.UPDATES, 0, 3)
    assert coordination.extent(Topic.UPDATES, 0) == Extent(3, 5, 5)
    assert coordination.extent(Topic.UPDATES, 1) == Extent(0, 0, 0)


def test_ends_are_told_of_all_partitions_at_once_and_times_of_what_is_open_too(
    log: LogBackend,
) -> None:
    log.feed([an_update(0), an_update(0)])
    subscription = join(log)
    opened = a_snapshot(1)._replace(timestamp=NOON + 7)
    identity = log.die([opened, opened], {0: Committed(0, "x")}, member(subscription))
    coordination = log.coordination()
    wanted = {
        (Topic.UPDATES, 0): Ends(2, 2),
        (Topic.UPDATES, 1): Ends(0, 0),
        (Topic.SESSIONS, 0): Ends(0, 0),
        (Topic.SESSIONS, 1): Ends(0, 2),
    }
    assert ends_of(coordination, wanted) == wanted
    offsets = {place: ends.stable_end for place, ends in wanted.items()}
    offsets[Topic.UPDATES, 0] = 1
    assert coordination.timestamps(offsets) == {
        (Topic.UPDATES, 0): NOON,
        (Topic.SESSIONS, 1): NOON + 7,
    }
    eventually("the id fenced", lambda: coordination.fence(identity))


def test_offsets_by_time(log: LogBackend) -> None:
    log.feed([an_update(1, timestamp=NOON + 10 * n) for n in range(3)])
    coordination = log.coordination()
    found = [coordination.offset_at(1, NOON + ms) for ms in (-5, 0, 1, 20, 21)]
    assert found == [0, 0, 1, 2, 3]
    assert coordination.offset_at(0, NOON) == 0
    log.feed([a_snapshot(1), a_snapshot(1)._replace(timestamp=NOON + 5)])
    assert [coordination.offset_at(1, NOON + ms, Topic.SESSIONS) for ms in (5, 6)] == [1, 2]


def test_topics_have_ids_and_counts(log: LogBackend) -> None:
    coordination = log.coordination()
    ids = coordination.topic_ids()
    assert set(ids) == set(Topic)
    assert len(set(ids.values())) == 4
    assert log.coordination().topic_ids() == ids
    assert coordination.topic_ids([Topic.SESSIONS]) == {Topic.SESSIONS: ids[Topic.SESSIONS]}
    assert [coordination.partitions(topic) for topic in Topic] == [2, 2, 2, 2]
    assert coordination.tombstones_kept_ms() == 86_400_000
    assert coordination.cluster_id() == log.coordination().cluster_id() != ""


def test_an_absent_topic_is_named(log: LogBackend) -> None:
    coordination = log.topicless()
    with pytest.raises(TopicError, match="updates"):
        coordination.topic_ids()
    with pytest.raises(TopicError, match="updates"):
        coordination.partitions(Topic.UPDATES)
