"""The story of a batch: decode → load → fold → encode → publish (one transaction) → store."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from processor.core.command import OWNERLESS, SessionCommand
from processor.core.outcome import Ended, Reason
from processor.partitions.commit import next_output, with_metadata
from processor.ports.claims import Claims, ClaimsNotReady, ClaimsPending, Place
from processor.ports.clock import Clock
from processor.ports.log import Membership, Publication, Record
from processor.ports.sessions import Stamp
from processor.ports.tracing import NO_TRACING, Tracing
from processor.runtime.batch import Batch
from processor.stages.batch import (
    Changed,
    Decoded,
    Folded,
    RejectedRecord,
    Sessions,
)
from processor.stages.fold import profile_of
from processor.stages.load import Loaded
from processor.state.checkpoint import Owned, Position, Stream
from processor.state.claims import inherited_by, left_to_end
from processor.state.record_cache import RecordCache
from processor.state.restore import Restore
from processor.telemetry.metrics import Metrics

PART: Final = 2_000
"""Records that are decoded, loaded, folded and sent at once."""


class Pipeline:
    """Takes batches of owned partitions through the stages. One thread calls it."""

    def __init__(
        self,
        *,
        decode: Callable[[Sequence[Record]], list[Decoded]],
        load: Callable[[Sequence[Record], Sequence[Decoded], Mapping[int, Stamp], Changed], Loaded],
        fold: Callable[[Sequence[Record], Sequence[Decoded], Sessions, Mapping[str, str]], Folded],
        publish: Callable[[Folded], None],
        store: Callable[[Changed, Mapping[int, tuple[Stamp, bytes]]], dict[int, Stamp]],
        claims: Claims,
        stream: Stream,
        restore: Restore,
        records: RecordCache,
        publication: Publication,
        metrics: Metrics,
        clock: Clock,
        count: Callable[[Sequence[Record], Sequence[RejectedRecord]], None] | None = None,
        tell_committed: Callable[[Iterable[int], Sequence[RejectedRecord]], None],
        fold_limit: int,
        part: int = PART,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Take the stages; `count` is told each committed batch's records and dead letters.

        `tell_committed` is told its partitions and dead letters, those of commands included. `part`
        records go through the stages at once, and no part follows in a transaction whose snapshots
        have passed `fold_limit` bytes.
        """
        self._decode = decode
        self._load = load
        self._fold = fold
        self._publish = publish
        self._store = store
        self._claims = claims
        self._stream = stream
        self._restore = restore
        self.records = records
        self._publication = publication
        self._metrics = metrics
        self._clock = clock
        self._count = count
        self._tell_committed = tell_committed
        self._part = part
        self._fold_limit = fold_limit
        self._tracing = tracing
        self.owned: dict[int, Owned] = {}

    def own(self, partition: int, owned: Owned) -> None:
        """Begin to process a partition."""
        self.records.own(partition)
        self.owned[partition] = owned

    def disown(self, partition: int) -> None:
        """Forget a partition."""
        self.records.drop(partition)
        self.owned.pop(partition, None)

    def offsets(self) -> dict[int, int]:
        """Return the next offset of each owned partition."""
        return {partition: owned.position.offset for partition, owned in self.owned.items()}

    def process(
        self,
        records: Sequence[Record],
        membership: Membership,
        enough: Callable[[float], bool] = lambda _since: False,
    ) -> bool:
        """Take a poll's records through, in one transaction or, if they are large, in several.

        Between two, `enough` is asked with the (monotonic) time of the beginning: if it says so,
        the rest is left, to be read again. Returns whether all were taken through: a partition with
        an erase that has to wait is left as it is. Raises ClaimsPending where that was all.

        After an exception `owned` says what is committed; the rest is to be read again. CacheLost
        and CacheUnavailable may come before or after the commit: either way, a restore follows.
        """
        since = self._clock.monotonic()
        committed = False
        pending: ClaimsPending | None = None
        while records:
            try:
                taken = self._transact(records, membership)
            except ClaimsPending as fault:
                self._publication.abort()
                pending, waiting = fault, records[0].partition
                records = [each for each in records if each.partition != waiting]
            else:
                committed, records = True, records[taken:]
            if records and enough(since):
                return False
        if pending is not None and not committed:
            raise pending
        return pending is None

    def _transact(self, records: Sequence[Record], membership: Membership) -> int:
        """Take a batch through, or as much of it as the limits allow; return how much it was.

        1. The transaction is opened. Whatever is raised from here on, the caller aborts.
        2. Part by part is decoded, loaded, folded and sent: what a part is made of stays in the
           processor's caches, and the brokers take its snapshots while the next one is folded.
        3. All is flushed: the brokers have each record, and tell where the output's ends are.
        4. The claims that it was folded upon still hold.
        5. The input offsets after the batch, with metadata that names the output's ends, are
           committed with it under the membership that the records were fetched under.
        6. What is committed is noted and stored in Redis; claims that an erase removed go then.

        Raises ClaimsPending with nothing sent: it is of the first record, which is to wait.
        """
        start = self._clock.monotonic()
        batch = Batch()
        # 1. Open
        self._publication.begin()
        # 2. Fold and send
        while batch.taken < len(records) and not batch.alone:
            part = records[batch.taken : batch.taken + self._part]
            sampled = self._tracing.sampled(part)
            self._metrics.traced(sampled[0].context.trace_id if sampled else None)
            folded = self._folded(part, batch)
            self._publish(folded)
            batch.add(folded, sampled)
            if folded.taken < len(part) or batch.size > self._fold_limit:
                break
        records = records[: batch.taken]
        self._metrics.traced(batch.trace_id)
        # 3. Flush
        before_commit = self._clock.monotonic()
        ends = self._publication.flush()
        # 4. Claims
        if batch.claimed and not self._claims.is_current(batch.generation):
            raise ClaimsNotReady("the claims were lost while the batch was published")
        # 5. Commit
        positions = self._positions(records, ends, batch)
        offsets = with_metadata(positions, self._stream, self._publication.identity())
        self._publication.commit(offsets, membership)
        commit_seconds = self._clock.monotonic() - before_commit
        # 6. Store
        if self._count is not None:
            self._count(*batch.updates(records))
        self._keep(batch.changed, positions)
        if batch.ended_claims:
            for partition, position in positions.items():
                self._claims.finish_removals(partition, position.offset)
        self._tell_committed(positions, batch.letters)
        waited = self._clock.now_ms() - records[0].timestamp if records[0].timestamp > 0 else None
        self._tell(batch, self._clock.monotonic() - start, commit_seconds, waited)
        return batch.taken

    def _folded(self, records: Sequence[Record], batch: Batch) -> Folded:
        """Decode, load and fold a part; fold again, where another session won a claim."""
        updates = self._decode(records)
        reach = batch.room(updates)
        records, updates = records[:reach], updates[:reach]
        stamps = {partition: each.stamp for partition, each in self.owned.items()}
        loaded = self._load(records, updates, stamps, batch.changed)
        batch.hits += loaded.hits
        batch.misses += loaded.misses
        records, updates = records[: loaded.reach], updates[: loaded.reach]
        profiles = {profile for each in updates if (profile := profile_of(each))}
        if updates and isinstance(updates[0], SessionCommand):
            profiles.update(updates[0].profiles, map(inherited_by, updates[0].profiles))
        if not profiles:
            return self._fold(records, updates, loaded.sessions, {})
        generation, holders = self._claims.holders(profiles)
        if batch.claimed and generation != batch.generation:
            raise ClaimsNotReady("the claims were replaced while the batch was folded")
        batch.generation = generation
        if isinstance(updates[0], SessionCommand):
            holders = left_to_end((records[0].key or b"").decode(), holders)
        while True:
            folded = self._fold(records, updates, loaded.sessions, holders)
            if folded.ended_claims:
                if self._give_up(generation, records[0], folded.ended_claims, holders):
                    return folded
                continue
            if not folded.claims:
                return folded
            owners = {partition: self.owned[partition].token for partition in folded.claiming}
            held = self._claims.take(generation, folded.claims, owners)
            if all(held[profile] == session for profile, session in folded.claims.items()):
                return folded
            holders |= held

    def _give_up(
        self,
        generation: str,
        record: Record,
        ended: Mapping[str, str | None],
        holders: dict[str, str],
    ) -> bool:
        """Leave an erase's claims ownerless until it is committed; False if others changed them.

        Then `holders` has who holds them now.
        """
        session = (record.key or b"").decode()
        place = Place(record.partition, record.offset, self.owned[record.partition].token)
        held = self._claims.give_up(generation, session, place, ended)
        for profile in ended:
            if profile in held:
                holders[profile] = held[profile]
            else:
                holders.pop(profile, None)
        return all(held.get(profile) == OWNERLESS for profile in ended)

    def _positions(
        self, records: Sequence[Record], ends: Mapping[int, int], batch: Batch
    ) -> dict[int, Position]:
        """Return where each partition of a batch stands once it is committed."""
        last = {record.partition: record for record in records}
        positions = {}
        for partition, record in last.items():
            before = self.owned[partition].position
            positions[partition] = before._replace(
                offset=record.next_offset,
                output=next_output(partition, before, ends),
                commands=before.commands or partition in batch.commanded,
                ended=self._clock.now_ms() if partition in batch.ended else before.ended,
            )
        return positions

    def _keep(self, changed: Changed, positions: Mapping[int, Position]) -> None:
        """Note what is committed, then store it."""
        checkpoints = dict[int, tuple[Stamp, bytes]]()
        for partition, position in positions.items():
            stamp = self.owned[partition].stamp
            self.owned[partition] = self.owned[partition]._replace(position=position)
            checkpoint = self._restore.checkpoint(position, self._publication.identity())
            checkpoints[partition] = stamp, checkpoint.encode()
        for partition, stamp in self._store(changed, checkpoints).items():
            self.owned[partition] = self.owned[partition]._replace(stamp=stamp)

    def _tell(
        self, batch: Batch, seconds: float, commit_seconds: float, waited_ms: int | None
    ) -> None:
        rejected: dict[Reason, int] = Counter(letter.rejected.reason for letter in batch.letters)
        self._metrics.batch(
            accepted=batch.accepted,
            duplicates=batch.duplicates,
            rejected=rejected,
            commands=Counter((each.command.command, each.outcome.name) for each in batch.commands),
            expired=Counter(
                each.command.state or ""
                for each in batch.commands
                if each.command.command == "expire" and isinstance(each.outcome, Ended)
            ),
            seconds=seconds,
            commit_seconds=commit_seconds,
            end_to_end_seconds=None if waited_ms is None else max(0, waited_ms) / 1000,
        )
        if batch.traced:
            self._tracing.committed(batch.traced, batch.taken, seconds)
        self._metrics.cache(
            hits=batch.hits,
            misses=batch.misses,
            held_bytes=self.records.size,
            sessions=self.records.sessions,
        )
