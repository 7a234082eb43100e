"""Which sessions an erasure ends, where, and what becomes of which claim."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from processor.core.command import SessionCommand
from processor.core.outcome import Rejected
from processor.core.session import INITIAL, is_key, profile_key, session_key
from processor.core.update import SessionUpdate
from processor.erasure.ids import Ids, Sought, application_of
from processor.erasure.named_ids import Values, key_of
from processor.errors import FailClosed, Unavailable
from processor.ports.chunks import Passed
from processor.ports.clock import Clock
from processor.ports.log import Coordination, Record, Scan, Topic
from processor.stages.decode import Decode

_Place = tuple[int, str]
"""A partition and a session's key."""
_OPEN_S: Final = 30.0
"""How long a transaction may stay open; a dead owner's ends within half of that."""
_FIRST: Final = 0
"""Where a session is ended that has no record: only its claims are, which are of no partition."""


class Reading(NamedTuple):
    """A log, read by what is committed."""

    coordination: Coordination
    scan: Scan
    values: Values
    clock: Clock
    passed: Passed

    def records(self, topic: Topic) -> Iterator[Record]:
        """Yield a topic's records up to the ends that it has for now, by partition and offset.

        Transactions that are open are waited out: their offsets may be committed already. Raises
        Unavailable where one stays open.
        """
        for partition in range(self.coordination.partitions(topic)):
            start, _, end = self.coordination.extent(topic, partition)
            moved = self.clock.monotonic()
            for chunk in self.scan.read(topic, partition, start, end):
                yield from chunk
                if chunk:
                    moved = self.clock.monotonic()
                elif self.clock.monotonic() - moved > _OPEN_S:
                    raise Unavailable(
                        f"a transaction has been open in the {topic.value}, partition {partition}, "
                        f"for {_OPEN_S:.0f} s: what it holds cannot be told",
                        hint='docs/operations/runbooks.md, "A partition is stalled", says how to '
                        "end it. Nothing was changed",
                    )
            self.passed(end - start)

    def waiting(self, starts: Mapping[int, int]) -> Iterator[Record]:
        """Yield the input's records from these offsets on, else from its start, that are stable."""
        for partition in range(self.coordination.partitions(Topic.UPDATES)):
            start, end, _ = self.coordination.extent(Topic.UPDATES, partition)
            start = max(start, starts.get(partition, start))
            for chunk in self.scan.read(Topic.UPDATES, partition, start, end):
                yield from chunk
            self.passed(max(0, end - start))


class Target(NamedTuple):
    """A session that is ended, by its key and in these partitions, with what becomes of claims.

    The profiles are keys of their claims.
    """

    key: str
    partitions: tuple[int, ...]
    forget: tuple[str, ...]
    release: tuple[str, ...]


class Discovered(NamedTuple):
    """What is to be done, and what of the question was found nowhere."""

    targets: tuple[Target, ...]
    unknown: Ids
    """Sessions, profiles and identifiers that neither output, claims nor waiting updates name."""

    @property
    def sessions(self) -> frozenset[str]:
        """The keys of what is ended."""
        return frozenset(target.key for target in self.targets)


class Discovery:
    """Finds the sessions that were asked for by name, by profile or by identifier.

    A session is a profile's where the claims say so, where any of its snapshots names it that the
    output still has, or where an update does that is yet to be processed, unless the session is
    closed or cancelled: then that is rejected. To be used once.
    """

    def __init__(self, asked: Ids, log: Reading, fresh: Callable[[], str]) -> None:
        """`fresh` returns a name that nobody ever had."""
        self._asked = asked
        self._fresh = fresh
        self._log = log
        self._keys = set(asked.sessions)
        self._met: set[str] = set()
        """What of the question was found: keys, keys of profiles, identifiers."""
        self._partitions = defaultdict[str, set[int]](set)
        self._profiles = defaultdict[str, set[str]](set)
        """By session, the profiles that it may hold when the command is folded."""
        self._ownerless: set[str] = set()
        self._named = defaultdict[_Place, set[str]](set)
        """What waiting updates name of the question, where they are not rejected: by session."""

    def __call__(self) -> Discovered:
        """Read claims, what is yet to be processed, and the output. Raises what these do."""
        # First: what is processed after this is read as an update below, what was before, is in
        # the output and the claims by now.
        waiting = self._committed()
        if self._asked.profiles:
            self._by_claims()
        if self._asked.profiles or self._asked.identifiers:
            self._by_updates(waiting)
            self._by_snapshots()
        self._places()
        self._held()
        self._waiting(waiting)
        return self._discovered()

    def _committed(self) -> dict[int, int]:
        asked = self._log.coordination
        found = {
            partition: asked.committed(partition, stable=False)
            for partition in range(asked.partitions(Topic.UPDATES))
        }
        return {partition: each.offset for partition, each in found.items() if each is not None}

    def _by_claims(self) -> None:
        holders: dict[str, str] = {}
        for record in self._log.records(Topic.CLAIMS):
            profile = key_of(record)
            if profile in self._asked.profiles:
                holders.pop(profile, None)
                if record.value is not None:
                    holders[profile] = record.value.decode(errors="replace")
        self._met |= holders.keys()
        self._keys.update(filter(is_key, holders.values()))
        self._ownerless = {profile for profile, holder in holders.items() if not holder}

    def _by_snapshots(self) -> None:
        sought = Sought(self._asked)
        last: dict[_Place, bytes | None] = {}
        for record in self._log.records(Topic.SESSIONS):
            key = key_of(record)
            if (record.partition, key) in self._named:
                last[record.partition, key] = record.value
            if record.value is not None and sought.may_be_in(record.value):
                try:
                    named = self._log.values.of_snapshot(record.value)
                except FailClosed:
                    if sought.stands_in(record.value):  # it may be a session of theirs
                        raise
                    continue
                if named.is_sought(sought) and is_key(key):
                    self._keys.add(key)
                    self._met.update(named.profiles, named.identifiers)
        for place, ids in self._named.items():
            snapshot = last.get(place)
            if snapshot is None or self._log.values.snapshots.read(snapshot).state == INITIAL:
                self._keys.add(place[1])
                self._met |= ids

    def _by_updates(self, waiting: Mapping[int, int]) -> None:
        ended = set[_Place]()
        for partition, each in self._sound(waiting):
            key = session_key(each.application_id, each.integration_id)
            if isinstance(each, SessionCommand):
                ended.add((partition, key))
                continue
            profile = profile_key(each.application_id, each.profile_id or "")
            identifiers = self._asked.identifiers.intersection(each.identifiers or ())
            if profile in self._asked.profiles or identifiers:
                if (partition, key) in ended:  # it begins a session
                    self._keys.add(key)
                self._named[partition, key].update([profile], identifiers)

    def _places(self) -> None:
        """Find the partitions in which the output has the sessions."""
        for record in self._log.records(Topic.SESSIONS):
            if (key := key_of(record)) in self._keys:
                self._partitions[key].add(record.partition)

    def _held(self) -> None:
        """Find the claims that the sessions hold."""
        holders: dict[str, str] = {}
        for record in self._log.records(Topic.CLAIMS):
            profile, holder = key_of(record), (record.value or b"").decode(errors="replace")
            holders.pop(profile, None)
            if holder in self._keys:
                holders[profile] = holder
        for profile, holder in holders.items():
            self._profiles[holder].add(profile)
            self._met.add(holder)

    def _waiting(self, waiting: Mapping[int, int]) -> None:
        """Find where updates to the sessions wait, and the profiles that these will claim."""
        for partition, update in self._sound(waiting):
            key = session_key(update.application_id, update.integration_id)
            if key in self._keys and isinstance(update, SessionUpdate):
                self._partitions[key].add(partition)
                if update.profile_id:
                    profile = profile_key(update.application_id, update.profile_id)
                    self._profiles[key].add(profile)

    def _sound(
        self, waiting: Mapping[int, int]
    ) -> Iterator[tuple[int, SessionUpdate | SessionCommand]]:
        decode = Decode(self._log.values.updates, self._log.values.commands)
        for record in self._log.waiting(waiting):
            read = decode.read(record)
            if not isinstance(read, Rejected):
                yield record.partition, read

    def _discovered(self) -> Discovered:
        forgotten = self._asked.profiles
        targets = {
            key: Target(
                key,
                tuple(sorted(self._partitions[key])) or (_FIRST,),
                tuple(sorted(self._profiles[key] & forgotten)),
                tuple(sorted(self._profiles[key] - forgotten)),
            )
            for key in sorted(self._keys)
            if key in self._partitions or self._profiles[key]
        }
        self._met |= targets.keys()
        for profile in sorted(self._ownerless):
            self._carry(targets, profile)
        unknown = Ids(*(frozenset(kind - self._met) for kind in self._asked))
        return Discovered(tuple(targets.values()), unknown)

    def _carry(self, targets: dict[str, Target], profile: str) -> None:
        """Have a claim without an owner removed: by any session of its application, or by none."""
        application = application_of(profile)
        found = (key for key in targets if application_of(key) == application)
        key = next(found, "") or session_key(application, self._fresh())
        target = targets.get(key, Target(key, (_FIRST,), (), ()))
        targets[key] = target._replace(forget=(*target.forget, profile))
