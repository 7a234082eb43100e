"""A cluster of three, a Valkey, some processes and steady traffic: what the chaos test disturbs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Literal, NamedTuple, Self

import redis
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import (
    AdminClient,
)
from servers import Names
from session_commands import commanded
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import DemoUpdate, updates
from processor.local.cluster import LocalCluster
from processor.local.valkey import LocalValkey

Protocol = Literal["classic", "consumer"]

PARTITIONS = 4
_A_SECOND = 250
_EXITS_WITHIN_S = 10.0
_SERVED_AGAIN_S = 90.0


class Servers(NamedTuple):
    """What stays while rounds come and go."""

    cluster: LocalCluster
    valkey: LocalValkey
    directory: Path


class Traffic:
    """Sends updates at a steady rate, whatever the brokers do, until told to stop."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self._deployment = deployment
        stream = updates(10_000_000, seed=seed, partition=deployment.partition)
        self._stream = commanded(stream, seed, 0.02, claiming=True)
        self._enough = Event()
        self._refused: list[str] = []
        self.sent = 0
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, also where the round has failed: it would go on for the whole run."""
        self._enough.set()

    def stop(self) -> None:
        """End it; every update is with the brokers then."""
        self._enough.set()
        self._thread.join(180)
        assert not self._thread.is_alive(), "the producer of the traffic does not end"
        assert not self._refused, self._refused[:3]

    def _run(self) -> None:
        producer = Producer(
            {
                **self._deployment.client,
                "enable.idempotence": True,
                "linger.ms": 20,
                "message.timeout.ms": 150_000,
                "log_level": 0,  # what it meets is the test's own doing
            }
        )
        while not self._enough.is_set():
            for update in islice(self._stream, _A_SECOND // 10):
                self._send(producer, update)
            producer.poll(0)
            self._enough.wait(0.1)
        left = producer.flush(150)
        if left:
            self._refused.append(f"{left} updates were never delivered")

    def _send(self, producer: Producer, update: DemoUpdate) -> None:
        partition = update.partition
        producer.produce(
            self._deployment.names.updates,
            update.value,
            key=update.key,
            partition=self._deployment.partition(update.key) if partition is None else partition,
            timestamp=update.timestamp,
            headers=list(update.headers),
            on_delivery=self._note,
        )
        self.sent += 1

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(str(error))


class Scene:
    """One round: a deployment of its own, its processes, and the traffic."""

    def __init__(
        self,
        servers: Servers,
        deployment: Deployment,
        random: Random,
        protocol: Protocol,
        *,
        moves_within: float,
        **settings: str,
    ) -> None:
        """A partition moves again within `moves_within` seconds of the last fault."""
        self._moves_within = moves_within
        self.cluster, self.valkey = servers.cluster, servers.valkey
        self.deployment = deployment
        self.random = random
        self.members: list[Process] = []
        self._settings = {
            "kafka": f'{{"group.protocol": "{protocol}"}}' if protocol == "consumer" else "{}",
            # With the fewer of them polls are full, and commits are left under way.
            "max_batch": random.choice(("50", "200")),
            **settings,
        }

    def add_member(self) -> Process:
        member = self.deployment.run(**self._settings)
        self.members.append(member)
        return member

    def remove(self, member: Process) -> None:
        """Expect nothing of a process any more: it was killed, or told to end."""
        self.members.remove(member)

    def terminate(self, member: Process) -> None:
        """SIGTERM ends it with 0 within ten seconds, once its program runs: that hears it."""
        self.remove(member)
        member.await_log("starting")
        began = time.monotonic()
        member.terminate()
        taken = time.monotonic() - began
        assert taken <= _EXITS_WITHIN_S, f"SIGTERM took {taken:.1f} s"

    def assert_nobody_ended(self) -> None:
        for member in self.members:
            assert not member.ended(), f"a process ended by itself:\n{member.log[-4000:]}"

    @contextmanager
    def redis(self) -> Iterator[redis.Redis]:
        client = redis.Redis.from_url(self.valkey.url, socket_timeout=5)
        try:
            yield client
        finally:
            client.close()

    def await_replicas(self) -> None:
        """Return once every partition has all its replicas in sync: the next broker may go."""
        names = self.deployment.names

        def whole() -> bool:
            admin = AdminClient({"bootstrap.servers": self.deployment.bootstrap})
            try:
                topics = admin.list_topics(timeout=5).topics
            except KafkaException:  # no broker answers yet
                return False
            ours = [topics.get(each) for each in (names.updates, names.sessions, names.claims)]
            internal = [topics.get("__transaction_state"), topics.get("__consumer_offsets")]
            return all(
                topic is not None
                and all(
                    len(p.isrs) == len(p.replicas) and p.leader >= 0
                    for p in topic.partitions.values()
                )
                for topic in [*ours, *(each for each in internal if each is not None)]
            )

        eventually("all replicas are in sync", whole, _SERVED_AGAIN_S)

    def assert_moves(self) -> None:
        """Every partition commits something new in time, while traffic goes on."""
        before = self.deployment.committed()
        deadline = time.monotonic() + self._moves_within
        still = set(before)
        while still:
            self.assert_nobody_ended()
            now = self.deployment.committed()
            still = {each for each in still if now[each] <= before[each]}
            if still:
                logs = "\n\n".join(each.log[-2500:] for each in self.members)
                assert time.monotonic() < deadline, f"partitions {still} stand still\n{logs}"

    def assert_readable(self) -> None:
        """What a reader of Redis needs beside the sessions is there, too."""
        prefix = self.deployment.names.prefix

        def whole() -> bool:
            with self.redis() as client:
                return bool(client.exists(f"{prefix}:meta") and client.exists(f"{prefix}:schemas"))

        eventually("meta and schemas are in Redis", whole, 15)


@contextmanager
def scene(
    servers: Servers,
    random: Random,
    protocol: Protocol,
    number: int,
    *,
    moves_within: float,
    members: int | None = None,
    **settings: str,
) -> Iterator[Scene]:
    """So many processes that are ready, two or three if it is not said, and nothing else yet."""
    directory = servers.directory / f"round-{number}"
    directory.mkdir()
    with ExitStack() as closing:
        deployment = closing.enter_context(
            Deployment(
                servers.cluster.bootstrap_servers,
                servers.valkey.url,
                Names.fresh(),
                directory,
                PARTITIONS,
                replicas=len(servers.cluster.brokers),
            )
        )
        made = Scene(servers, deployment, random, protocol, moves_within=moves_within, **settings)
        for _ in range(members or random.randint(2, 3)):
            made.add_member()
        eventually(
            "all partitions are owned",
            lambda: sum(each.log.count("partition ready") for each in made.members) >= PARTITIONS,
            60,
        )
        yield made
