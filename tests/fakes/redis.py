"""The Redis ports in memory; each object stands for one process on a `FakeServer`."""

import json
from collections.abc import Iterable, Iterator, Mapping

from fakes.redis_server import FakeServer
from processor.ports.claims import ClaimsFenced, ClaimsNotReady, ClaimsPending, Place
from processor.ports.members import Member
from processor.ports.sessions import CacheLost, Stamp, Want, Write
from processor.redis.keys import CHECKPOINT, LAYOUT, Keys


class FakeSessionCache:
    """A SessionCache in memory."""

    def __init__(self, server: FakeServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def read(self, partition: int) -> Stamp | None:
        self._server.called()
        generation = self._server.text(self._keys.current(partition))
        checkpoint = self._checkpoint(partition, generation)
        return None if checkpoint is None else Stamp(generation, checkpoint)

    def load(self, wants: Mapping[int, Want], limit: int) -> dict[int, list[bytes | None]]:
        self._server.called()
        self._raise_lost({partition: want.stamp for partition, want in wants.items()})
        return {
            partition: self._values(partition, want, limit) for partition, want in wants.items()
        }

    def _values(self, partition: int, want: Want, limit: int) -> list[bytes | None]:
        stored = self._server.hashes[self._keys.sessions(partition, want.stamp.generation)]
        size, values = 0, list[bytes | None]()
        for key in want.keys:
            if size > limit:
                break
            value = stored.get(key)
            size += len(value or b"")
            values.append(value)
        return values

    def write(self, writes: Mapping[int, Write]) -> None:
        self._server.called()
        self._server.forget_undo()
        lost = set()
        for partition, write in writes.items():
            current = self._server.text(self._keys.current(partition)) == write.stamp.generation
            if not (current and self._put(partition, write)):
                lost.add(partition)
        if lost:
            raise CacheLost(frozenset(lost))

    def check(self, stamps: Mapping[int, Stamp]) -> frozenset[int]:
        self._server.called()
        return frozenset(
            partition for partition, stamp in stamps.items() if not self._stands(partition, stamp)
        )

    def begin(self, partition: int, checkpoint: bytes) -> Stamp:
        self._server.called()
        self._server.forget_undo()
        latest = self._server.text(self._keys.latest(partition))
        if latest != self._server.text(self._keys.current(partition)):
            self._server.unlink(self._keys.sessions(partition, latest))
        fresh = self._server.fresh_name()
        self._server.put(self._keys.latest(partition), {b"": fresh.encode()})
        self._server.put(self._keys.sessions(partition, fresh), {CHECKPOINT: checkpoint})
        return Stamp(fresh, checkpoint)

    def drop_unfinished(self, partition: int) -> None:
        self._server.called()
        self._server.forget_undo()
        latest = self._server.text(self._keys.latest(partition))
        if self._server.text(self._keys.current(partition)) not in {"", latest}:
            self._server.unlink(self._keys.sessions(partition, latest))
            self._server.unlink(self._keys.latest(partition))

    def fill(self, partition: int, write: Write) -> None:
        self._server.called()
        self._server.forget_undo()
        if not self._put(partition, write):
            raise CacheLost(frozenset({partition}))

    def flip(self, partition: int, stamp: Stamp, checkpoint: bytes) -> Stamp:
        self._server.called()
        self._server.forget_undo()
        former = self._server.text(self._keys.current(partition))
        stood = self._checkpoint(partition, stamp.generation)
        if stood != stamp.checkpoint and (stood != checkpoint or former != stamp.generation):
            raise CacheLost(frozenset({partition}))
        self._server.put(self._keys.sessions(partition, stamp.generation), {CHECKPOINT: checkpoint})
        self._server.put(self._keys.current(partition), {b"": stamp.generation.encode()})
        if former != stamp.generation:
            self._server.unlink(self._keys.sessions(partition, former))
        return Stamp(stamp.generation, checkpoint)

    def _put(self, partition: int, write: Write) -> bool:
        if CHECKPOINT in write.snapshots:
            raise ValueError("an empty record key would overwrite the checkpoint")
        stood = self._checkpoint(partition, write.stamp.generation)
        if stood != write.stamp.checkpoint:
            return stood is not None and stood == write.checkpoint
        name = self._keys.sessions(partition, write.stamp.generation)
        self._server.put(name, {**write.snapshots, CHECKPOINT: write.checkpoint})
        return True

    def _checkpoint(self, partition: int, generation: str) -> bytes | None:
        return self._server.field(self._keys.sessions(partition, generation), CHECKPOINT)

    def _stands(self, partition: int, stamp: Stamp) -> bool:
        current = self._server.text(self._keys.current(partition))
        return stamp == Stamp(current, self._checkpoint(partition, current) or b"")

    def _raise_lost(self, stamps: Mapping[int, Stamp]) -> None:
        lost = {partition for partition in stamps if not self._stands(partition, stamps[partition])}
        if lost:
            raise CacheLost(frozenset(lost))


Removal = tuple[int, int, bool]
"""The input partition and offset of who ends a claim, and whether it is to be removed."""


class FakeClaims:
    """Claims in memory; one object stands for one process."""

    def __init__(self, server: FakeServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys
        self._token = server.fresh_name()

    def holders(self, profiles: Iterable[str]) -> tuple[str, dict[str, str]]:
        self._server.called()
        generation = self._current()
        self._raise_unless(generation, b"1")
        return generation, self._held(generation, sorted(profiles))

    def own(self, partition: int, offset: int) -> str:
        self._server.called()
        self._server.forget_undo()
        generation, token = self._current(), self._server.fresh_name()
        self._raise_unless(generation)
        self._server.put(self._keys.claims(), {f"owner:{partition}".encode(): token.encode()})
        self._finish_removals(generation, partition, offset)
        return token

    def take(
        self, generation: str, claims: Mapping[str, str], owners: Mapping[int, str]
    ) -> dict[str, str]:
        self._server.called()
        self._server.forget_undo()
        self._raise_unless(generation, b"1")
        self._raise_fenced(owners)
        held = self._held(generation, claims)
        taken = {
            profile.encode(): holder.encode()
            for profile, holder in claims.items()
            if profile not in held
        }
        self._server.put(self._keys.holders(generation), taken)
        return self._held(generation, claims)

    def give_up(
        self, generation: str, session: str, place: Place, profiles: Mapping[str, str | None]
    ) -> dict[str, str]:
        self._server.called()
        self._server.forget_undo()
        self._raise_unless(generation, b"1")
        partition, offset, token = place
        self._raise_fenced({partition: token})
        removals = self._removals(generation)
        if any(removals[each][0] != partition for each in profiles if each in removals):
            raise ClaimsPending("another record is about to end a claim that this one ends")
        held = self._held(generation, profiles)
        if any(held.get(profile) not in {session, ""} for profile in profiles):
            return held
        removals |= {each: (partition, offset, holder is None) for each, holder in profiles.items()}
        self._note(generation, removals, {profile.encode(): b"" for profile in profiles})
        return dict.fromkeys(profiles, "")

    def finish_removals(self, partition: int, offset: int) -> None:
        self._server.called()
        self._server.forget_undo()
        generation = self._current()
        try:
            self._raise_unless(generation, b"1")
        except ClaimsNotReady:
            return
        self._finish_removals(generation, partition, offset)

    def _finish_removals(self, generation: str, partition: int, offset: int) -> None:
        left = dict[str, Removal]()
        gone = dict[bytes, bytes | None]()
        for profile, (of, at, removed) in self._removals(generation).items():
            if of != partition or at >= offset:
                left[profile] = of, at, removed
            elif removed and self._held(generation, [profile]).get(profile) == "":
                gone[profile.encode()] = None
        self._note(generation, left, gone)

    def _raise_fenced(self, owners: Mapping[int, str]) -> None:
        noted = self._server.hashes[self._keys.claims()]
        names = {each: f"owner:{each}".encode() for each in owners}
        fenced = {each for each in owners if noted.get(names[each]) != owners[each].encode()}
        if fenced:
            raise ClaimsFenced(frozenset(fenced))

    def _removals(self, generation: str) -> dict[str, Removal]:
        text = self._server.field(self._keys.holders(generation), b"removals")
        return {profile: tuple(note) for profile, note in json.loads(text or b"{}").items()}

    def _note(
        self,
        generation: str,
        removals: Mapping[str, Removal],
        holders: Mapping[bytes, bytes | None],
    ) -> None:
        text = json.dumps(removals).encode() if removals else None
        self._server.put(self._keys.holders(generation), {**holders, b"removals": text})

    def is_current(self, generation: str) -> bool:
        self._server.called()
        try:
            self._raise_unless(generation, b"1")
        except ClaimsNotReady:
            return False
        return True

    def begin(self, stream: str) -> str | None:
        self._server.called()
        if self._server.lease not in {None, self._token} or self._ready() == stream:
            return None
        self._server.forget_undo()
        self._server.lease = self._token
        self._server.unlink(self._keys.holders(self._current()))
        self._server.unlink(self._keys.claims())
        fresh = self._server.fresh_name()
        self._server.put(self._keys.holders(fresh), {b"": stream.encode()})
        description = {"generation": fresh, "run_id": str(self._server.run_id), "ready": "0"}
        fields = {name.encode(): value.encode() for name, value in description.items()}
        self._server.put(self._keys.claims(), {**fields, b"stream": stream.encode()})
        return fresh

    def fill(self, generation: str, claims: Mapping[bytes, bytes | None]) -> None:
        self._server.called()
        self._server.forget_undo()
        self._raise_unless(generation, b"0")
        self._server.lease = self._token
        self._server.put(self._keys.holders(generation), claims)

    def finish(self, generation: str) -> None:
        self._server.called()
        self._server.forget_undo()
        self._raise_unless(generation)
        self._server.put(self._keys.claims(), {b"ready": b"1"})
        if self._server.lease == self._token:
            self._server.lease = None

    def stream(self) -> str | None:
        self._server.called()
        return self._ready()

    def _ready(self) -> str | None:
        try:
            self._raise_unless(self._current(), b"1")
        except ClaimsNotReady:
            return None
        return self._server.text(self._keys.claims(), b"stream")

    def _current(self) -> str:
        return self._server.text(self._keys.claims(), b"generation")

    def _held(self, generation: str, profiles: Iterable[str]) -> dict[str, str]:
        stored = self._server.hashes[self._keys.holders(generation)]
        return {
            profile: stored[profile.encode()].decode()
            for profile in profiles
            if profile.encode() in stored
        }

    def _raise_unless(self, generation: str, ready: bytes | None = None) -> None:
        server, claims = self._server, self._keys.claims()
        is_current = (
            bool(generation)
            and generation == self._current()
            and server.text(claims, b"run_id") == str(server.run_id)
            and server.field(self._keys.holders(generation)) is not None
        )
        if not is_current or ready not in {None, server.field(claims, b"ready")}:
            raise ClaimsNotReady("the fake's claims do not stand")


class FakeDirectory:
    """A Directory in memory."""

    def __init__(self, server: FakeServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def describe(self, partitions: int, schemas: Mapping[str, str]) -> None:
        self._server.called()
        self._server.forget_undo()
        fields = {name.encode(): schema.encode() for name, schema in schemas.items()}
        self._server.put(self._keys.schemas(), fields)
        meta = {b"layout": str(LAYOUT).encode(), b"partitions": str(partitions).encode()}
        self._server.put(self._keys.meta(), meta)

    def partitions(self) -> int | None:
        self._server.called()
        return int(self._server.text(self._keys.meta(), b"partitions") or 0) or None

    def eviction_policy(self) -> str | None:
        self._server.called()
        return self._server.policy


class FakeCopies:
    """CachedCopies in memory."""

    def __init__(self, server: FakeServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def sessions(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        self._server.called()
        pointers = self._keys.current(partition), self._keys.latest(partition)
        for generation in {self._server.text(each) for each in pointers}:
            stored = self._server.hashes.get(self._keys.sessions(partition, generation), {})
            yield from ((key, value) for key, value in stored.items() if key != CHECKPOINT)

    def claims(self) -> Iterator[tuple[str, str]]:
        self._server.called()
        generation = self._server.text(self._keys.claims(), b"generation")
        stored = self._server.hashes.get(self._keys.holders(generation), {})
        for field, value in stored.items():
            if field == b"removals":
                yield from ((profile, "") for profile in json.loads(value))
            elif field:
                yield field.decode(), value.decode()


class FakeMembers:
    """Members in memory; a lease ends by `FakeServer.delete`."""

    def __init__(self, server: FakeServer, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def announce(self, member: Member, lease: int) -> None:
        assert lease > 0
        self._server.called()
        text = json.dumps(member[1:]).encode()
        self._server.put(self._keys.members(), {member.process.encode(): b""})
        self._server.put(self._keys.member(member.process), {b"": text})

    def withdraw(self, process: str) -> None:
        self._server.called()
        self._server.delete(self._keys.member(process))

    def announced(self) -> list[Member]:
        self._server.called()
        names = sorted(map(bytes.decode, self._server.hashes.get(self._keys.members(), {})))
        texts = {name: self._server.text(self._keys.member(name)) for name in names}
        return [Member(name, *json.loads(text)) for name, text in texts.items() if text]
