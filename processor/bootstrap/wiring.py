"""The one place that wires: ports, codecs, limits and a run in, the service's parts out.

It asks nobody, and knows neither settings nor which servers are behind the ports.
"""

from collections.abc import Callable, Generator
from functools import partial
from math import inf
from threading import Event
from types import MappingProxyType
from typing import NamedTuple

from processor.avro.compiled import Bounds
from processor.bootstrap.adapters import Adapters, takeover_of
from processor.bootstrap.codecs import Codecs
from processor.bootstrap.retaining import retention_of
from processor.bootstrap.runs import Run
from processor.dead_letters.limits import FloodLimits, HaltedPartitions
from processor.partitions.acquire import acquire
from processor.partitions.commit import PositionCommit
from processor.partitions.takeover import Takeover
from processor.ports.latest import LatestScan
from processor.ports.log import Topic
from processor.registry.describing import DescribingScan
from processor.registry.gate import SchemaWait
from processor.runtime.assignment import Assignment
from processor.runtime.commits import Commits
from processor.runtime.fold_part import FoldPart
from processor.runtime.identity import IdentityWatch
from processor.runtime.idle import IdleCommit
from processor.runtime.open_transactions import OpenTransactions
from processor.runtime.pacing import Pacing
from processor.runtime.partition_watch import PartitionWatch
from processor.runtime.pipeline import PART, Pipeline
from processor.runtime.rolls import SegmentRolls
from processor.runtime.runner import Runner
from processor.runtime.stalls import BEHIND_OTHERS_S, StallWatch
from processor.runtime.until_end import UntilEnd, group_position
from processor.stages.decode import Decode
from processor.stages.encode import Encode
from processor.stages.fold import FOLD_LIMIT, Fold
from processor.stages.load import LOAD_LIMIT, Load
from processor.stages.publish import Publish
from processor.stages.store import Store
from processor.state.checkpoint import Owned
from processor.state.claims import claims_stream, rebuild_claims
from processor.state.expiry import Keep
from processor.state.record_cache import RecordCache
from processor.state.restore import Restore
from processor.telemetry.observer import Observer


class Limits(NamedTuple):
    """What bounds the service's batches and memory; the codecs' outputs and dead letters too."""

    max_batch: int
    """Records of one poll."""
    max_snapshot: int
    """In bytes, as are the next three."""
    cache: int
    load: int = LOAD_LIMIT
    fold: int = FOLD_LIMIT
    part: int = PART
    """Records that go through the stages at once."""
    min_commit_interval: float = 0.0
    flood: FloodLimits = FloodLimits()
    keep: Keep = MappingProxyType({})
    """For which no run has use that goes towards an end, as a replay does."""


class Service(NamedTuple):
    """The loop, and those of its parts that a test looks at."""

    runner: Runner
    pipeline: Pipeline
    takeover: Takeover
    restore: Restore
    halts: HaltedPartitions
    gate: SchemaWait | None


def wire(
    adapters: Adapters,
    codecs: Codecs,
    limits: Limits,
    run: Run,
    *,
    stopping: Event,
    observer: Observer,
) -> Service:
    """Return a service that processes until `stopping` is set, or the run is at its end."""
    log, clock = adapters.log, adapters.clock
    takeover = takeover_of(log, run.first, clock, mixed_framing=run.mixed_framing)
    restore = _restore(adapters, codecs, observer)
    halts = HaltedPartitions(limits.flood, clock, observer)
    gate = None if codecs.ids is None else SchemaWait(codecs.ids, clock, observer)
    pipeline = _pipeline(adapters, codecs, limits, restore=restore, halts=halts, observer=observer)
    identity = _identity(adapters, codecs)
    pacing = Pacing(clock, limits.min_commit_interval, run.max_rate)
    assignment = Assignment(
        subscription=log.subscription,
        publication=log.publication,
        pipeline=pipeline,
        take_over=_acquire(adapters, run, takeover, restore, identity),
        rebuild_claims=_rebuild_claims(adapters, run),
        commit_idle=_commit_idle(adapters, limits, run, pipeline),
        observer=observer,
        pacing=pacing,
        halts=halts,
        clock=clock,
        held_back=tuple if gate is None else lambda: gate.partitions,
        retention=retention_of(
            adapters,
            codecs,
            limits.keep if run.ends is None else {},
            pipeline=pipeline,
            observer=observer,
        ),
    )
    runner = Runner(
        subscription=log.subscription,
        publication=log.publication,
        pipeline=pipeline,
        cache=adapters.cache,
        claims=adapters.claims,
        claims_stream=claims_stream(log.stream, run.inherited),
        assignment=assignment,
        pacing=pacing,
        identity=identity,
        watch=_watch(adapters, pipeline, assignment, observer, slowed=run.max_rate is not None),
        halts=halts,
        stopping=stopping,
        clock=clock,
        observer=observer,
        max_batch=run.batch(limits.max_batch),
        until_end=_until_end(adapters, run),
        gate=gate,
    )
    return Service(runner, pipeline, takeover, restore, halts, gate)


def _acquire(
    adapters: Adapters, run: Run, takeover: Takeover, restore: Restore, identity: IdentityWatch
) -> Callable[[int], Generator[bool, None, Owned]]:
    return partial(
        acquire,
        takeover=takeover,
        prepare=run.prepare,
        describe=identity.describe,
        restore=restore,
        identity=adapters.log.publication.identity,
        claims=adapters.claims,
    )


def _rebuild_claims(adapters: Adapters, run: Run) -> Callable[[], Generator[bool, None, None]]:
    log = adapters.log
    return partial(
        rebuild_claims, log.stream, adapters.claims, log.coordination, log.scan, run.inherited
    )


def _commit_idle(adapters: Adapters, limits: Limits, run: Run, pipeline: Pipeline) -> IdleCommit:
    log = adapters.log
    claims = partial(log.coordination.partitions, Topic.CLAIMS)
    return IdleCommit(
        pipeline=pipeline,
        subscription=log.subscription,
        commit=PositionCommit(log.stream, log.subscription, log.publication),
        clock=adapters.clock,
        rolls=SegmentRolls(adapters.clock, log.facts.roll_ms, log.facts.gone_ms, claims),
        interval=limits.min_commit_interval,
        ends=run.ends,
    )


def _identity(adapters: Adapters, codecs: Codecs) -> IdentityWatch:
    log = adapters.log
    describe = partial(adapters.directory.describe, log.stream.partitions, codecs.texts)
    return IdentityWatch(log.stream, log.topics, log.coordination, describe, adapters.clock)


def _watch(
    adapters: Adapters,
    pipeline: Pipeline,
    assignment: Assignment,
    observer: Observer,
    *,
    slowed: bool,
) -> PartitionWatch:
    """Return what sees partitions that stand still; one that is `slowed` may let records wait."""
    log, clock, held_up = adapters.log, adapters.clock, observer.held_up
    return PartitionWatch(
        subscription=log.subscription,
        coordination=log.coordination,
        pipeline=pipeline,
        assignment=assignment,
        stalls=StallWatch(
            log.subscription,
            lambda: {} if assignment.holds_claims else assignment.flowing(),
            held_up,
            clock,
            inf if slowed else BEHIND_OTHERS_S,
        ),
        transactions=OpenTransactions(log.coordination, log.topics, log.servers, held_up, clock),
        observer=observer,
        clock=clock,
    )


def _restore(adapters: Adapters, codecs: Codecs, observer: Observer) -> Restore:
    log, directory = adapters.log, adapters.directory
    scan: LatestScan = log.scan
    if adapters.registry is not None:
        scan = DescribingScan(
            scan,
            adapters.registry,
            codecs.texts,
            lambda found: directory.describe(log.stream.partitions, found),
        )
    return Restore(
        stream=log.stream,
        cache=adapters.cache,
        scan=scan,
        progress=observer,
        clock=adapters.clock,
        tombstones_kept_ms=log.coordination.tombstones_kept_ms,
    )


def _pipeline(
    adapters: Adapters,
    codecs: Codecs,
    limits: Limits,
    *,
    restore: Restore,
    halts: HaltedPartitions,
    observer: Observer,
) -> Pipeline:
    log, timed = adapters.log, partial(observer.metrics.timed, adapters.clock)
    records = RecordCache(limits.cache)
    decode = Decode(codecs.updates, codecs.commands, codecs.compiled)
    fold = Fold(
        update_of=decode.update,
        session_of=codecs.snapshots.read,
        encode=Encode(codecs.snapshots),
        bounds=Bounds(codecs.snapshots.header, limits.max_snapshot, limits.fold),
        compiled=codecs.compiled,
    )
    max_letter = log.facts.max_letter_bytes
    publish = Publish(log.publication, log.topics(Topic.UPDATES), max_letter, adapters.clock)
    commits = Commits(
        executor=adapters.executor,
        publication=log.publication,
        claims=adapters.claims,
        stream=log.stream,
        restore=restore,
        records=records,
        store=Store(adapters.cache),
        metrics=observer.metrics,
        clock=adapters.clock,
        count=halts.count if limits.flood.on else None,
        tell_committed=observer.committed,
        tracing=adapters.tracing,
    )
    return Pipeline(
        decode=timed("decode", decode),
        fold=FoldPart(
            load=timed("load", Load(records, adapters.cache, limits.load)),
            fold=timed("fold", fold),
            claims=adapters.claims,
        ),
        publish=timed("publish", publish),
        commits=commits,
        records=records,
        publication=log.publication,
        metrics=observer.metrics,
        clock=adapters.clock,
        part=limits.part,
        fold_limit=limits.fold,
        tracing=adapters.tracing,
    )


def _until_end(adapters: Adapters, run: Run) -> UntilEnd | None:
    ends, log = run.ends, adapters.log
    if ends is None:
        return None
    return UntilEnd(
        ends,
        lambda each: group_position(each, ends[each], log.coordination, log.scan),
        adapters.clock,
    )
