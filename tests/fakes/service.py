"""The service on the fakes: wired as it always is, driven by the fake clock."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import NamedTuple
from zlib import crc32

from avro_bytes import FAST, SCHEMAS
from first_sessions import as_published, not_exactly_one_first, winners, wrong_claims
from oracle import DeadLetter, Entry, Expected, Snapshot, expected, is_command, is_nobodys, timed
from session_commands import commanded

from fakes.broker import FakeBroker
from fakes.clock import FakeClock
from fakes.commands import FakeCommands
from fakes.executor import LateExecutor
from fakes.log import FakeCoordination, FakePublication, FakeScan, FakeSubscription
from fakes.redis import FakeClaims, FakeDirectory, FakeSessionCache
from fakes.redis_server import FakeServer
from processor.bootstrap.adapters import Adapters, Log
from processor.bootstrap.codecs import Codecs, running_codecs
from processor.bootstrap.runs import Run, live_run, replay_run
from processor.bootstrap.wiring import Limits, wire
from processor.demo.traffic import START, DemoUpdate, Mix, updates
from processor.kafka.clients import RecordLimits
from processor.kafka.topics import TopicFacts
from processor.partitions.takeover import Start
from processor.ports.log import Membership, Outgoing, Record, Topic
from processor.ports.registry import Registry
from processor.ports.tracing import NO_TRACING, Tracing
from processor.redis.keys import CHECKPOINT, Keys
from processor.replay.plan import Plan
from processor.replay.seed import LiveTopics
from processor.runtime.until_end import frozen_ends
from processor.stages.publish import ERROR_HEADERS, TIMESTAMP_HEADER
from processor.state.checkpoint import Stream
from processor.telemetry.health import Health
from processor.telemetry.metrics import PREFIX, Metrics
from processor.telemetry.observer import Observer

PARTITIONS = 4
SNAPSHOT_LIMIT = 6_000
DAY_MS = 86_400_000
LIMITS = Limits(max_batch=50, max_snapshot=SNAPSHOT_LIMIT, cache=1 << 20, part=20)
FACTS = TopicFacts(
    limits=RecordLimits(),
    max_letter_bytes=1_048_588,
)
HARSH = Mix(
    rejects=0.15,
    duplicates=0.1,
    too_large_every=100,
    snapshot_limit=SNAPSHOT_LIMIT,
    sessions_at_once=20,
)
STREAM = Stream(
    cluster="the-fake-cluster",
    updates="id-of-updates",
    sessions="id-of-sessions",
    dead_letters="id-of-dead-letters",
    claims="id-of-claims",
    partitions=PARTITIONS,
    framing="single-object",
)


def partition_of(key: bytes | None) -> int:
    return crc32(key or b"") % PARTITIONS


class Until(Event):
    """Is set once a condition holds; fails where the loop turns on and on without it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.holds: Callable[[], bool] = lambda: False
        self.turns = 0

    def is_set(self) -> bool:
        self.turns -= 1
        assert self.turns >= 0, "it does not come about"
        return self.holds()

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.wait(timeout or 0.0)
        return self.holds()


class Replay(NamedTuple):
    """What a service is to fold again, and of what stream."""

    plan: Plan
    live: FakeBroker


@dataclass
class World:
    """A broker, a Redis, and the services that run there."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(day_ms=START))
    """Its day is that of the traffic."""
    server: FakeServer = field(default_factory=FakeServer)
    keys: Keys = field(default_factory=lambda: Keys("fake"))

    def __post_init__(self) -> None:
        self.broker = FakeBroker(PARTITIONS, self.clock)

    def service(
        self,
        limits: Limits = LIMITS,
        *,
        start: Start = "earliest",
        until_end: bool = False,
        claims: FakeClaims | None = None,
        replay: Replay | None = None,
        registry: Registry | None = None,
        compiled: bool = True,
        tracing: Tracing = NO_TRACING,
    ) -> "Service":
        """Return one more process; with `compiled` that codec folds, where it is installed."""

        def run_of(adapters: Adapters, codecs: Codecs) -> Run:
            if replay is not None:
                live = LiveTopics(FakeCoordination(replay.live), FakeScan(replay.live))
                return replay_run(adapters, replay.plan, live, codecs.values)
            ends = frozen_ends(adapters.log.coordination, PARTITIONS) if until_end else None
            return live_run(adapters, start, ends)

        fast = FAST if compiled else None
        codecs = running_codecs(SCHEMAS, fast, registry, None, self.clock)
        claims = claims or FakeClaims(self.server, self.keys)
        return Service(
            self, codecs, limits, run_of, claims=claims, registry=registry, tracing=tracing
        )

    def feed(self, stream: Iterable[DemoUpdate]) -> None:
        for key, value, headers, timestamp, partition in stream:
            self.broker.append(Outgoing(Topic.UPDATES, partition, timestamp, key, value, headers))

    def feed_harsh(self, count: int, seed: int) -> None:
        self.feed(updates(count, seed=seed, mix=HARSH, partition=partition_of))

    def feed_commanded(self, count: int, seed: int) -> None:
        """Feed an empty input with updates and commands."""
        stream = updates(count, seed=seed, mix=HARSH, partition=partition_of)
        self.feed(commanded(stream, seed))

    def processed(self) -> bool:
        """Whether the committed offsets are at the input's ends."""
        ends = {p: self.broker.extent(Topic.UPDATES, p).end for p in range(PARTITIONS)}
        return all(p in self.broker.committed for p in ends) and all(
            self.broker.committed[p].offset >= end for p, end in ends.items()
        )

    def stored(self, partition: int) -> dict[bytes, bytes]:
        """Return the sessions that a reader finds."""
        generation = self.server.text(self.keys.current(partition))
        fields = self.server.hashes.get(self.keys.sessions(partition, generation), {})
        return {key: value for key, value in fields.items() if key != CHECKPOINT}

    def records(self, topic: Topic, partition: int) -> list[Record]:
        found = self.broker.readable(topic, partition)
        return [each for each in found if not is_nobodys(each)]

    def assert_exact(self) -> dict[int, Expected]:
        """See that output, dead letters, claims and Redis are what the oracle makes of the input.

        An oracle's entry has a tuple of headers, a record that was read a list.
        """
        output = {
            partition: [Snapshot.of(each) for each in self.records(Topic.SESSIONS, partition)]
            for partition in range(PARTITIONS)
        }
        inputs = {
            partition: [Entry(*each[1:]) for each in self.records(Topic.UPDATES, partition)]
            for partition in output
        }
        claims = [
            (each.key or b"", each.value)
            for partition in range(PARTITIONS)
            for each in self.records(Topic.CLAIMS, partition)
        ]
        assert wrong_claims(output, claims) == []
        if not any(is_command(each) for log in inputs.values() for each in log):
            assert not_exactly_one_first(output) == []
            assert dict(claims) == {key.encode(): each for key, each in winners(output).items()}
        oracle = {
            partition: expected(log, as_published(output[partition]), SNAPSHOT_LIMIT)
            for partition, log in inputs.items()
        }
        for partition, wanted in oracle.items():
            told, now = output[partition], self.clock.now_ms()
            assert told == timed(wanted.snapshots, told, now), f"output of partition {partition}"
            assert self._letters(partition) == wanted.dead_letters
            last = {
                each.key: each.value for each in wanted.snapshots if each.key in wanted.sessions
            }
            assert self.stored(partition) == last, f"Redis of partition {partition}"
        return oracle

    def _letters(self, partition: int) -> list[DeadLetter]:
        """Return the dead letters as what they were made of, offsets from their headers."""
        inputs = {each.offset: each for each in self.records(Topic.UPDATES, partition)}
        letters = []
        for each in self.records(Topic.DEAD_LETTERS, partition):
            headers = dict(each.headers)
            origin = inputs[int(headers[ERROR_HEADERS[5]] or b"")]
            assert each[3:5] == origin[3:5]
            if origin.timestamp >= 0:
                assert headers[TIMESTAMP_HEADER] == str(origin.timestamp).encode()
            reason = (headers[ERROR_HEADERS[0]] or b"").decode()
            letters.append(DeadLetter(Entry(*origin[1:]), reason))
        return letters


class Service:
    """One process. `run_until` is `Runner.run`, stopped by a condition."""

    def __init__(
        self,
        world: World,
        codecs: Codecs,
        limits: Limits,
        run_of: Callable[[Adapters, Codecs], Run],
        *,
        claims: FakeClaims,
        registry: Registry | None,
        tracing: Tracing,
    ) -> None:
        broker = world.broker
        self.world = world
        self.health = Health(world.clock)
        self.metrics = Metrics("fastavro")
        self.subscription = FakeSubscription(broker)
        self.publication = FakePublication(broker)
        self.coordination = FakeCoordination(broker)
        self.cache = FakeSessionCache(world.server, world.keys)
        self.claims = claims
        self.commands = FakeCommands(broker)
        adapters = Adapters(
            Log(
                STREAM,
                FACTS,
                lambda topic: topic.value,
                self.subscription,
                self.publication,
                self.coordination,
                FakeScan(broker),
                "broker:9092",
            ),
            self.cache,
            claims,
            FakeDirectory(world.server, world.keys),
            registry,
            None,
            world.clock,
            self.commands,
            FakeScan(broker),
            LateExecutor(),
            tracing,
        )
        self._stopping = Until(world.clock)
        self.observer = Observer(self.health, self.metrics, world.clock)
        self.status = self.observer.status
        wired = wire(
            adapters,
            codecs,
            limits,
            run_of(adapters, codecs),
            stopping=self._stopping,
            observer=self.observer,
        )
        self._runner = wired.runner
        self.pipeline, self.takeover, self.restore = wired.pipeline, wired.takeover, wired.restore
        self.halts, self.gate, self.records = wired.halts, wired.gate, wired.pipeline.records

    def run_until(self, holds: Callable[[], bool], turns: int = 3_000) -> None:
        """Run the loop; what it keeps from one run to the next, it keeps here too."""
        self._stopping.holds, self._stopping.turns = holds, turns
        self._runner.run()

    def turn(self) -> None:
        """Let the loop turn once, beside another's."""
        self._stopping.holds, self._stopping.turns = lambda: False, 10
        self._runner._turn()

    def run_until_processed(self) -> None:
        self.run_until(self.at_rest)

    def at_rest(self) -> bool:
        """Whether all input is processed, and nothing is being taken over."""
        return self.world.processed() and self.health.ready()[0]

    @property
    def warnings(self) -> Mapping[str, str]:
        """What `/readyz` warns of, by subject."""
        found = self.health.ready().body["warnings"]
        assert isinstance(found, dict)
        return found

    def owns(self, partitions: Iterable[int]) -> bool:
        return set(self.pipeline.owned) == set(partitions)

    def counted(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        value = self.metrics.registry.get_sample_value(f"{PREFIX}_{name}", dict(labels or {}))
        assert value is not None, name
        return value

    def membership(self) -> Membership:
        """Return the membership, settled; joins where there is none."""
        while (membership := self.subscription.confirmed()) is None:
            self.subscription.take(1, 0)
        return membership


def outcomes(results: Mapping[int, Expected]) -> Counter[str]:
    reasons = Counter(each.reason for result in results.values() for each in result.dead_letters)
    reasons["accepted"] = sum(len(result.snapshots) for result in results.values())
    reasons["duplicate"] = sum(result.duplicates for result in results.values())
    return reasons
