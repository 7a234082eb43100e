"""The service on the fakes, wired as `bootstrap` wires it, driven by the fake broker's clock."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from avro_bytes import FAST, SNAPSHOTS, decode_and_fold
from first_sessions import not_exactly_one_first, winners
from oracle import DeadLetter, Entry, Expected, Snapshot, expected

from fakes.log import FakeBroker, FakeCoordination, FakePublication, FakeScan, FakeSubscription
from fakes.redis import FakeClaims, FakeSessionCache
from fakes.redis_server import FakeServer
from processor.dead_letters.halts import HaltedPartitions
from processor.dead_letters.limits import FloodLimits
from processor.demo.traffic import DemoUpdate, Mix, updates
from processor.partitions.takeover import Start, Takeover, first_position
from processor.ports.log import Membership, Outgoing, Record, Topic
from processor.ports.registry import Registry
from processor.redis.keys import CHECKPOINT, Keys
from processor.registry.gate import SchemaWait
from processor.registry.ids import RegisteredIds
from processor.replay import seed
from processor.replay.plan import Plan
from processor.runtime import assignment, pacing, runner, until_end
from processor.runtime.assignment import Assignment
from processor.runtime.pacing import Pacing
from processor.runtime.pipeline import Owned, Pipeline
from processor.runtime.runner import Runner
from processor.runtime.until_end import UntilEnd, frozen_ends, group_position
from processor.stages.fold import FOLD_LIMIT
from processor.stages.load import LOAD_LIMIT, Load
from processor.stages.publish import ERROR_HEADERS, Publish
from processor.stages.store import Store
from processor.state.checkpoint import Stream
from processor.state.record_cache import RecordCache
from processor.state.restore import ClaimsSource, Restore, claims_stream, rebuild_claims
from processor.telemetry.health import Health
from processor.telemetry.metrics import PREFIX, Metrics
from processor.telemetry.observer import Observer

PARTITIONS = 4
NO_FLOOD_LIMITS = FloodLimits()
SNAPSHOT_LIMIT = 6_000
DAY_MS = 86_400_000
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


@dataclass
class Limits:
    """What bounds a service's batches and memory."""

    max_batch: int = 50
    part: int = 20
    compiled: bool = True
    """Whether the compiled codec folds, where it is installed."""
    cache_bytes: int = 1 << 20
    load: int = LOAD_LIMIT
    fold: int = FOLD_LIMIT
    min_commit_interval: float = 0.0
    flood: FloodLimits = NO_FLOOD_LIMITS


class Until(Event):
    """Is set once a condition holds; fails where the loop turns on and on without it."""

    def __init__(self, broker: FakeBroker, holds: Callable[[], bool], turns: int) -> None:
        super().__init__()
        self._broker = broker
        self._holds = holds
        self._turns = turns

    def is_set(self) -> bool:
        self._turns -= 1
        assert self._turns >= 0, "it does not come about"
        return self._holds()

    def wait(self, timeout: float | None = None) -> bool:
        self._broker.wait(timeout or 0.0)
        return self._holds()


class Replay(NamedTuple):
    """What a service is to fold again, and of what stream."""

    plan: Plan
    live: FakeBroker


@dataclass
class World:
    """A broker, a Redis, and the services that run there."""

    broker: FakeBroker = field(default_factory=lambda: FakeBroker(PARTITIONS))
    server: FakeServer = field(default_factory=FakeServer)
    keys: Keys = field(default_factory=lambda: Keys("fake"))
    services: int = 0

    def service(
        self,
        limits: Limits | None = None,
        *,
        start: Start = "earliest",
        until_end: bool = False,
        claims: FakeClaims | None = None,
        replay: "Replay | None" = None,
        registry: Registry | None = None,
    ) -> "Service":
        return Service(
            self,
            limits or Limits(),
            start,
            claims,
            replay,
            registry=registry,
            until_end=until_end,
        )

    def feed(self, stream: Iterable[DemoUpdate]) -> None:
        for key, value, headers, timestamp, partition in stream:
            self.broker.append(Outgoing(Topic.UPDATES, partition, timestamp, key, value, headers))

    def feed_harsh(self, count: int, seed: int) -> None:
        self.feed(updates(count, seed=seed, mix=HARSH, partition=partition_of))

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
        return [*self.broker.readable(topic, partition)]

    def assert_exact(self) -> dict[int, Expected]:
        """See that output, dead letters, claims and Redis are what the oracle makes of the input.

        An oracle's entry has a tuple of headers, a record that was read a list.
        """
        output = {
            partition: [
                Snapshot(each.key or b"", each.value or b"", each.timestamp)
                for each in self.records(Topic.SESSIONS, partition)
            ]
            for partition in range(PARTITIONS)
        }
        assert not_exactly_one_first(output) == []
        firsts = winners(output)
        oracle = {
            partition: expected(
                [Entry(*each[1:]) for each in self.records(Topic.UPDATES, partition)],
                firsts,
                SNAPSHOT_LIMIT,
            )
            for partition in output
        }
        for partition, wanted in oracle.items():
            assert output[partition] == wanted.snapshots, f"output of partition {partition}"
            assert self._letters(partition) == wanted.dead_letters
            last = {each.key: each.value for each in wanted.snapshots}
            assert self.stored(partition) == last, f"Redis of partition {partition}"
        claimed = {
            (each.key or b"").decode(): each.value
            for partition in range(PARTITIONS)
            for each in self.records(Topic.CLAIMS, partition)
        }
        assert claimed == firsts
        return oracle

    def _letters(self, partition: int) -> list[DeadLetter]:
        """Return the dead letters as what they were made of, offsets from their headers."""
        inputs = {each.offset: each for each in self.records(Topic.UPDATES, partition)}
        letters = []
        for each in self.records(Topic.DEAD_LETTERS, partition):
            headers = dict(each.headers)
            origin = inputs[int(headers[ERROR_HEADERS[5]] or b"")]
            assert each[2:5] == origin[2:5]
            reason = (headers[ERROR_HEADERS[0]] or b"").decode()
            letters.append(DeadLetter(Entry(*origin[1:]), reason))
        return letters


class Service:
    """One process. `run_until` is `Runner.run`, stopped by a condition."""

    def __init__(
        self,
        world: World,
        limits: Limits,
        start: Start,
        claims: FakeClaims | None,
        replay: Replay | None,
        *,
        registry: Registry | None,
        until_end: bool,
    ) -> None:
        broker = world.broker
        self.world = world
        self.replay = replay
        self.health = Health()
        self.metrics = Metrics("fastavro")
        self.subscription = FakeSubscription(broker)
        self.publication = FakePublication(broker)
        self.coordination = FakeCoordination(broker)
        self.scan = FakeScan(broker)
        self.cache = FakeSessionCache(world.server, world.keys)
        self.claims = claims or FakeClaims(world.server, world.keys)
        self.records = RecordCache(limits.cache_bytes)
        self.takeover = Takeover(
            stream=STREAM,
            topics=lambda topic: topic.value,
            first=seed.first_position(replay.plan, self.coordination)
            if replay
            else first_position(start, self.coordination),
            subscription=self.subscription,
            publication=self.publication,
            coordination=self.coordination,
            scan=self.scan,
            clock=broker.monotonic,
        )
        observer = Observer(self.health, self.metrics)
        self.restore = Restore(
            stream=STREAM,
            cache=self.cache,
            scan=self.scan,
            progress=observer,
            now_ms=lambda: int(broker.now * 1000),
            tombstones_kept_ms=DAY_MS,
        )
        self.halts = HaltedPartitions(limits.flood, broker.monotonic, observer)
        ids = RegisteredIds(registry, broker.monotonic) if registry else None
        self.gate = SchemaWait(ids, broker.monotonic, observer) if ids else None
        compiled = FAST if limits.compiled else None
        decode, fold = decode_and_fold(compiled, SNAPSHOT_LIMIT, limit=limits.fold, ids=ids)
        self.pipeline = Pipeline(
            decode=decode,
            load=Load(self.records, self.cache, limits.load),
            fold=fold,
            publish=Publish(self.publication, "updates"),
            store=Store(self.cache, self.records),
            claims=self.claims,
            takeover=self.takeover,
            restore=self.restore,
            records=self.records,
            identity=self.publication.identity,
            metrics=self.metrics,
            count=self.halts.count if limits.flood.on else None,
            part=limits.part,
        )
        pacing = Pacing(limits.min_commit_interval)
        self._parts: dict[str, Any] = {
            "subscription": self.subscription,
            "publication": self.publication,
            "pipeline": self.pipeline,
            "cache": self.cache,
            "claims": self.claims,
            "claims_stream": claims_stream(STREAM),
            "assignment": self._assignment(observer, pacing),
            "pacing": pacing,
            "halts": self.halts,
            "observer": observer,
            "max_batch": limits.max_batch,
            "until_end": self._until_end() if until_end else None,
            "gate": self.gate,
        }
        self._runner: Runner | None = None

    def take_over(self, partition: int) -> Generator[bool, None, Owned]:
        position = yield from self.takeover.take_over(partition)
        if self.replay is not None:
            copied = seed.Seed(
                plan=self.replay.plan,
                input_offset=lambda value: SNAPSHOTS.read(value).input_offset,
                live=FakeScan(self.replay.live),
                subscription=self.subscription,
                publication=self.publication,
                takeover=self.takeover,
            )
            position = yield from copied(partition, position)
        stamp = yield from self.restore(partition, position, self.publication.identity())
        return Owned(position, stamp)

    def _assignment(self, observer: Observer, pacing: Pacing) -> Assignment:
        return Assignment(
            subscription=self.subscription,
            publication=self.publication,
            pipeline=self.pipeline,
            take_over=self.take_over,
            rebuild_claims=lambda: rebuild_claims(
                STREAM, self.claims, self.coordination, self.scan, self._inherited()
            ),
            observer=observer,
            pacing=pacing,
            halts=self.halts,
            held_back=lambda: self.gate.partitions if self.gate else (),
        )

    def _inherited(self) -> ClaimsSource | None:
        if self.replay is None:
            return None
        return ClaimsSource(FakeScan(self.replay.live), self.replay.plan.claims_ends)

    def _until_end(self) -> UntilEnd:
        if self.replay is None:
            ends = frozen_ends(self.coordination, PARTITIONS)
        else:
            ends = {each: range_.end for each, range_ in self.replay.plan.ranges.items()}
        return UntilEnd(
            ends,
            self.subscription,
            lambda each: group_position(each, ends[each], self.coordination, self.scan),
        )

    def run_until(self, holds: Callable[[], bool], turns: int = 3_000) -> None:
        """Run the loop; what it keeps from one run to the next, it keeps here too."""
        self._runner_until(Until(self.world.broker, holds, turns)).run()

    def turn(self) -> None:
        """Let the loop turn once, beside another's."""
        self._runner_until(Until(self.world.broker, lambda: False, turns=10))._turn()

    def _runner_until(self, stopping: Until) -> Runner:
        if self._runner is None:
            self._runner = Runner(stopping=stopping, **self._parts)
        self._runner._stopping = stopping
        return self._runner

    def run_until_processed(self) -> None:
        self.run_until(self.at_rest)

    def at_rest(self) -> bool:
        """Whether all input is processed, and nothing is being taken over."""
        return self.world.processed() and self.health.ready()[0]

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


def loop_in_time_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the loop's time that of the world's broker."""
    for module in (pacing, runner, assignment, until_end):
        monkeypatch.setattr(module, "time", world.broker)


def outcomes(results: Mapping[int, Expected]) -> Counter[str]:
    reasons = Counter(each.reason for result in results.values() for each in result.dead_letters)
    reasons["accepted"] = sum(len(result.snapshots) for result in results.values())
    reasons["duplicate"] = sum(result.duplicates for result in results.values())
    return reasons
