"""A part of a batch: its sessions loaded, folded, and the profiles that it names claimed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from processor.core.command import OWNERLESS, SessionCommand
from processor.ports.claims import Claims, ClaimsNotReady, Place
from processor.ports.log import Record
from processor.ports.sessions import Stamp
from processor.runtime.batch import Batch
from processor.stages.batch import Changed, Decoded, Folded, Sessions
from processor.stages.fold import profiles_of
from processor.stages.load import Loaded
from processor.state.checkpoint import Owned
from processor.state.claims import inherited_by, left_to_end


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPart:
    """Takes what a batch takes next from what is decoded to what is published."""

    load: Callable[
        [Sequence[Record], Sequence[Decoded], Mapping[int, Stamp], Sequence[Changed]], Loaded
    ]
    fold: Callable[[Sequence[Record], Sequence[Decoded], Sessions, Mapping[str, str]], Folded]
    claims: Claims

    def __call__(
        self,
        records: Sequence[Record],
        updates: Sequence[Decoded],
        owned: Mapping[int, Owned],
        uncommitted: Sequence[Batch],
    ) -> Folded:
        """Return what becomes of as many of the records as may be added to the last batch.

        They are folded upon what the `uncommitted` batches have changed, and again where another
        session won a claim. Raises ClaimsNotReady, ClaimsFenced and ClaimsPending, CacheLost and
        CacheUnavailable.
        """
        batch = uncommitted[-1]
        reach = batch.room(updates)
        records, updates = records[:reach], updates[:reach]
        stamps = {partition: each.stamp for partition, each in owned.items()}
        loaded = self.load(records, updates, stamps, [each.changed for each in uncommitted])
        batch.hits += loaded.hits
        batch.misses += loaded.misses
        records, updates = records[: loaded.reach], updates[: loaded.reach]
        profiles = profiles_of(updates)
        if updates and isinstance(updates[0], SessionCommand):
            profiles.update(updates[0].profiles, map(inherited_by, updates[0].profiles))
        if not profiles:
            return self.fold(records, updates, loaded.sessions, {})
        generation, holders = self.claims.holders(profiles)
        if batch.claimed and generation != batch.generation:
            raise ClaimsNotReady("the claims were replaced while the batch was folded")
        batch.generation = generation
        if isinstance(updates[0], SessionCommand):
            holders = left_to_end((records[0].key or b"").decode(), holders)
        while True:
            folded = self.fold(records, updates, loaded.sessions, holders)
            if folded.ended_claims:
                if self._give_up(generation, records[0], owned, folded.ended_claims, holders):
                    return folded
                continue
            if not folded.claims:
                return folded
            owners = {partition: owned[partition].token for partition in folded.claiming}
            held = self.claims.take(generation, folded.claims, owners)
            if all(held[profile] == session for profile, session in folded.claims.items()):
                return folded
            holders |= held

    def _give_up(
        self,
        generation: str,
        record: Record,
        owned: Mapping[int, Owned],
        ended: Mapping[str, str | None],
        holders: dict[str, str],
    ) -> bool:
        """Leave an erase's claims ownerless until it is committed; False if others changed them.

        Then `holders` has who holds them now.
        """
        session = (record.key or b"").decode()
        place = Place(record.partition, record.offset, owned[record.partition].token)
        held = self.claims.give_up(generation, session, place, ended)
        for profile in ended:
            if profile in held:
                holders[profile] = held[profile]
            else:
                holders.pop(profile, None)
        return all(held.get(profile) == OWNERLESS for profile in ended)
