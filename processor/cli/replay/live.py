"""What the `replay` commands ask of the servers."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from processor.avro.codec import SESSION_FIELDS, SnapshotCodec
from processor.bootstrap.adapters import cluster_of, readers_of, remove_cache, stream_of
from processor.bootstrap.codecs import codecs_of, snapshot_writer
from processor.config import Settings
from processor.errors import NotFound
from processor.kafka.offsets import KafkaOffsets
from processor.kafka.replays import KafkaReplays
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.log import Record, Topic
from processor.replay.live_state import LiveState
from processor.replay.names import replayed, unknown, valid
from processor.replay.plan import LiveOutput, Plan, Range
from processor.replay.promote import Numbering
from processor.runtime.until_end import group_position
from processor.state.checkpoint import CommitMetadata


class Live:
    """The live service, seen from beside it, and its replays. Raises what the ports raise."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        cluster, self.coordination, self._scan = readers_of(settings)
        self._stream = stream_of(self.coordination, settings)
        codecs = codecs_of(settings)
        self._snapshots, self.values = codecs.snapshots, codecs.values
        self.numbering = Numbering(lambda each: self.values.seen(each).version, self._renumbered)
        self.state = LiveState(self._stream, self.coordination, self._scan)
        self.replays = KafkaReplays(cluster)

    def fields(self, snapshot: bytes) -> Mapping[str, object]:
        """Return a snapshot's fields by their names in the schema."""
        return dict(zip(SESSION_FIELDS, self._snapshots.read(snapshot), strict=True))

    def known(self, name: str) -> Plan:
        """Return the replay's plan. Raises NotFound."""
        found = self.replays.read(valid(name))
        if found is None:
            raise unknown(name)
        return found

    def snapshots(self, partition: int, end: int) -> Iterator[Sequence[Record]]:
        """Yield what was published live below `end`, in chunks, some of them empty."""
        return self._scan.read(Topic.SESSIONS, partition, 0, end)

    def replayed_snapshots(
        self, own: Settings, partition: int
    ) -> tuple[Iterator[Sequence[Record]], int]:
        """Return what a replay published, in such chunks, and where it ends."""
        replay = readers_of(own)
        end = replay.coordination.extent(Topic.SESSIONS, partition).end
        return replay.scan.read(Topic.SESSIONS, partition, 0, end), end

    def seeded_end(self, own: Settings, partition: int) -> int:
        """Return below which output offset of a replay snapshots may answer a former input."""
        committed = readers_of(own).coordination.committed(partition, stable=False)
        if committed is None:
            return 0
        return CommitMetadata.decode(committed.metadata, self._stream.cluster).former or 0

    def begin(
        self, name: str, ranges: Mapping[int, Range], outputs: Mapping[int, LiveOutput]
    ) -> Plan:
        """Write a new replay's plan; return what stands."""
        plan = Plan(
            name=name,
            created=SYSTEM_CLOCK.now_ms(),
            stream=self._stream,
            ranges=ranges,
            output_ends={partition: each.end for partition, each in outputs.items()},
            claims_ends=self.state.claims_ends(),
            former_ends={partition: at.former for partition, at in outputs.items() if at.former},
        )
        return self.replays.begin(plan, cluster_of(replayed(self._settings, name)))

    def make_topics(self, plan: Plan, own: Settings) -> None:
        """Make those of the replay's topics that are absent."""
        self.replays.make_topics(plan, cluster_of(own), own.max_snapshot_bytes)

    def places(self, plan: Plan, own: Settings) -> dict[int, int | None]:
        """Return up to where the replay has come in each of its partitions, None: not begun."""
        coordination = readers_of(own).coordination
        found = {
            partition: group_position(partition, each.end, coordination, self._scan)
            for partition, each in plan.ranges.items()
        }
        return {partition: None if at < 0 else at for partition, at in found.items()}

    def require_comparable(
        self, plan: Plan, places: Mapping[int, int | None], own: Settings
    ) -> None:
        """Raise NotFound where it is not known up to where the replay has come."""
        coordination = readers_of(own).coordination
        lost = [
            partition
            for partition, at in places.items()
            if at is None and coordination.extent(Topic.SESSIONS, partition).end > 0
        ]
        if lost:
            raise NotFound(
                f"the offsets of replay {plan.name} have expired in partition "
                f"{', '.join(map(str, lost))}: up to where it has come there is not known, so "
                "nothing is compared",
                hint="`session-processor replay drop` it and `replay run` it again; brokers keep "
                "the offsets of a replay that is at its end for `offsets.retention.minutes`.",
            )
        if all(at is None for at in places.values()):
            raise NotFound(
                f"replay {plan.name} has not begun: nothing is compared",
                hint=f"Go on with it: `session-processor replay run --name {plan.name}`.",
            )

    def require_stopped(self, own: Settings) -> None:
        """Raise FailClosed where a process is at the replay."""
        KafkaOffsets(cluster_of(own)).require_stopped()

    def drop(self, name: str, own: Settings) -> list[str]:
        """Remove what the replay made; return its topics."""
        remove_cache(own, self._stream.partitions)
        return self.replays.drop(name, cluster_of(own))

    def _renumbered(self, snapshot: bytes, version: int) -> bytes:
        return self._writer.write(self._snapshots.read(snapshot)._replace(version=version))

    @cached_property
    def _writer(self) -> SnapshotCodec:
        return snapshot_writer(self._settings)
