"""A coordinator that is late: it is waited for, and late is not taken for pending."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from fakes.log_backends import KafkaLog
from servers import KafkaAddress, Names, Places, RedisAddress
from slow_proxy import SlowProxy, serving
from system.deployment import Deployment
from system.process import eventually

from processor.demo.traffic import updates
from processor.local.kafka import LocalKafka
from processor.local.ports import free_port
from processor.ports.log import (
    Committed,
    Coordination,
    LogUnavailable,
    Membership,
    NotStable,
    Outgoing,
    Subscription,
    Topic,
)

AWAY_S = 0.7
"""The round trip to the coordinator."""


class Distant(NamedTuple):
    """A Kafka behind a proxy."""

    proxy: SlowProxy
    address: KafkaAddress


@pytest.fixture(scope="module")
def behind_proxy(places: Places) -> Iterator[Distant]:
    port = free_port()
    with serving(SlowProxy(port)) as proxy:
        advertised = f"127.0.0.1:{proxy.port}"
        server = LocalKafka.start(
            places.guarded("distant-kafka"),
            port,
            properties={"advertised.listeners": f"PLAINTEXT://{advertised}"},
        )
        yield Distant(proxy, KafkaAddress(advertised))
        server.kill()


@pytest.fixture
def distant(behind_proxy: Distant) -> Iterator[Distant]:
    yield behind_proxy
    behind_proxy.proxy.delay = 0.0


def join(subscription: Subscription) -> Membership:
    """Return the membership under which both partitions are assigned."""
    assigned: set[int] = set()

    def both() -> bool:
        subscription.take(1, 0.1)
        change = subscription.rebalance()
        if change is not None:
            assigned.difference_update(change.revoked)
            assigned.update(change.assigned)
        return assigned == {0, 1}

    eventually("both are assigned", both)
    return subscription.membership()


def is_believed(coordination: Coordination) -> bool:
    try:
        coordination.committed(1, stable=True)
    except LogUnavailable:
        return False
    return True


def test_an_offset_that_comes_late_is_told_and_only_a_pending_one_is_not_stable(
    distant: Distant, names: Names
) -> None:
    with ExitStack() as closing:
        log = KafkaLog(distant.address, names)
        closing.callback(log.close)
        coordination = log.coordination()
        member = join(log.subscription())
        publication = log.publication()
        publication.begin()
        publication.commit({0: Committed(0, "zero")}, member)
        eventually("it stands", lambda: coordination.committed(0, stable=True) is not None)

        distant.proxy.delay = AWAY_S / 2
        for _ in range(3):
            assert coordination.committed(0, stable=True) == Committed(0, "zero")
            assert coordination.committed(1, stable=True) is None
        fresh = log.coordination()
        eventually("a slow first answer is not believed at once", lambda: is_believed(fresh))
        assert fresh.committed(0, stable=True) == Committed(0, "zero")

        distant.proxy.delay = 0.0
        sent = Outgoing(Topic.SESSIONS, 0, 0, b"k", b"v", ())
        dead = log.die([sent], {0: Committed(1, "one")}, member)
        distant.proxy.delay = AWAY_S / 2
        with pytest.raises(NotStable):
            coordination.committed(0, stable=True)
        assert coordination.committed(1, stable=True) is None
        assert coordination.committed(0, stable=False) == Committed(0, "zero")
        eventually("it is fenced", lambda: coordination.fence(dead))
        eventually("an answer is believed", lambda: is_believed(coordination))
        assert coordination.committed(0, stable=True) == Committed(0, "zero")

        distant.proxy.delay = 3.0
        with pytest.raises(LogUnavailable):
            coordination.committed(0, stable=True)
        distant.proxy.delay = 0.0
        eventually("who was silent is believed again", lambda: is_believed(coordination))


def test_takeovers_end_and_no_live_owner_is_fenced(
    distant: Distant, valkey: RedisAddress, names: Names, tmp_path: Path
) -> None:
    there = distant.address.bootstrap_servers
    with Deployment(there, valkey.url, names, tmp_path, partitions=2) as deployment:
        first = deployment.run()
        first.await_log("partition ready", times=2)
        deployment.produce(updates(400, seed=5, partition=deployment.partition))
        deployment.await_processed()
        distant.proxy.delay = AWAY_S / 2
        second = deployment.run()
        second.await_log("partition ready", timeout=90)
        deployment.produce(updates(400, seed=6, partition=deployment.partition))
        deployment.await_processed()
        first.terminate()
        second.await_log("partition ready", times=2, timeout=90)
        distant.proxy.delay = 0.0
        deployment.await_processed()
        second.terminate()
        for process in (first, second):
            assert "fencing a former owner" not in process.log
            assert "producer lost" not in process.log
        deployment.assert_exact()
