"""Fewer records at once, where brokers are too slow for as many."""

from fakes.service import LIMITS, World, partition_of

from processor.demo.traffic import Mix, updates
from processor.ports.log import BatchAborted, Topic
from processor.runtime.batch_limit import SLOW_S, BatchLimit

ACCEPTED = Mix(rejects=0.0, duplicates=0.0, too_large_every=10**9)


def test_it_halves_after_a_late_failure_and_doubles_after_quick_commits() -> None:
    limit = BatchLimit(4_000)
    assert not limit.failed(4_000, SLOW_S - 1)
    assert limit.records == 4_000
    assert limit.failed(3_000, SLOW_S)
    assert limit.records == 1_500
    limit.committed(SLOW_S - 1)
    assert limit.records == 1_500
    limit.committed(0.1)
    assert limit.records == 3_000
    limit.committed(0.1)
    assert limit.records == 4_000


def test_one_record_stays_one() -> None:
    limit = BatchLimit(2)
    assert limit.failed(2, 60)
    assert not limit.failed(1, 60)
    assert limit.records == 1


def test_a_backlog_is_processed_by_brokers_that_take_few_records_in_time(world: World) -> None:
    world.feed(updates(200, seed=3, partition=partition_of, mix=ACCEPTED))
    service = world.service(LIMITS._replace(part=50))
    tried: list[int] = []

    def flush() -> None:
        (transaction,) = world.broker.open.values()
        sent = sum(
            entry.transaction is transaction
            for log in world.broker.logs[Topic.SESSIONS]
            for entry in log.entries
        )
        tried.append(sent)
        world.broker.at("flush", flush)
        if sent > 9:
            world.clock.wait(15)
            raise BatchAborted("the brokers did not take the batch in time")
        world.clock.wait(4)

    world.broker.at("flush", flush)
    service.run_until_processed()
    world.assert_exact()
    assert 1 <= sum(each > 9 for each in tried) <= 4
