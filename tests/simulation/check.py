"""What must hold after every commit and every write to Redis, by the oracle."""

from collections.abc import Iterator, Mapping
from typing import Any

from fakes.broker import FakeBroker, Partition, Transaction
from fakes.redis_server import FakeServer, Fields
from oracle import Entry, decode_session

from processor.ports.log import Committed, Record, Topic
from processor.redis.keys import CHECKPOINT, Keys
from processor.stages.publish import ERROR_HEADERS
from processor.state.checkpoint import Checkpoint, CommitMetadata, ForeignText
from simulation.history import History, Node, Outcome
from simulation.scheduler import Violation

CLUSTER = "the-fake-cluster"


Letter = tuple[int, str, bytes | None, bytes | None]
"""Input offset, reason, key, value."""


class _Committed:
    """What is committed of one partition."""

    def __init__(self, root: Node, entries: list[Entry]) -> None:
        self.node = root
        self.offset: int | None = None
        self._shared: Iterator[Entry] | None = iter(entries)
        """What of the input that simulations share is to come; None once this one has left it."""
        self.output = 0
        """Below which output offset nothing is looked at any more."""
        self.letters: list[Letter] = []
        self.snapshots: list[tuple[int, bytes, bytes]] = []
        """Output offset, key, value."""
        self.values: set[tuple[bytes, bytes]] = set()

    def next_output(self) -> int:
        return max(self.output, self.snapshots[-1][0] + 1 if self.snapshots else 0)

    def step(self, entry: Entry, claims: Mapping[str, bytes]) -> Outcome:
        """Return what becomes of the next record, and remember it."""
        shared = None if self._shared is None else next(self._shared, None)
        if shared is not None and (shared.offset, shared.value) != (entry.offset, entry.value):
            shared = None
        if shared is None and self._shared is not None:
            self._shared, self.node = None, self.node.apart()
        outcome = self.node.step(entry, claims)
        self.node = outcome.after
        return outcome

    def repaired(self, offset: int, log: Partition) -> None:
        """Go on at an offset from what the output has."""
        self.snapshots = [
            (each.record.offset, each.record.key or b"", each.record.value or b"")
            for each in log.entries
            if each.record is not None and each.readable
        ]
        sessions = self.sessions(len(log.entries))
        self._shared = None
        self.node = Node({key: decode_session(value) for key, value in sessions.items()})
        self.values |= {each[1:] for each in self.snapshots}
        self.offset, self.output = offset, len(log.entries)

    def sessions(self, output: int) -> dict[bytes, bytes]:
        """Return the sessions as of an output offset."""
        return {key: value for offset, key, value in self.snapshots if offset < output}


class Check:
    """Compares each transaction, as it is committed, with what the oracle makes of its records."""

    def __init__(self, history: History, keys: Keys) -> None:
        self._keys = keys
        self._partitions = [*map(_Committed, history.roots, history.entries)]
        self._current = {keys.current(p): p for p in range(len(self._partitions))}
        self._sessions = tuple(keys.sessions(p, "") for p in range(len(self._partitions)))
        self.broker: FakeBroker
        self.claims: dict[str, bytes] = {}
        self.commits = 0
        """Transactions that processed records."""

    def next_output(self, partition: int) -> int:
        """Return the output offset after the last committed snapshot, 0 without one."""
        return self._partitions[partition].next_output()

    # The log

    def commit(self, identity: str, transaction: Transaction) -> None:
        """Raise Violation where a transaction is not what the oracle says."""
        records = {place: self._records(place, transaction) for place in transaction.first}
        claims = self._claims(records)
        used: set[str] = set()
        for partition, offset in transaction.offsets.items():
            self._advance(partition, offset, records, used)
            self._metadata(partition, offset, identity)
        left = [place for place, found in records.items() if found and place[0] != Topic.CLAIMS]
        if left:
            raise Violation(f"records were committed without their input's offset: {left}")
        if claims - used:
            raise Violation(f"claims without a first session: {sorted(claims - used)}")

    def _records(self, place: tuple[Topic, int], transaction: Transaction) -> list[Record]:
        topic, partition = place
        entries = self.broker.logs[topic][partition].entries
        return [
            each.record
            for each in entries[transaction.first[place] :]
            if each.transaction is transaction and each.record is not None
        ]

    def _claims(self, records: Mapping[tuple[Topic, int], list[Record]]) -> set[str]:
        found = set()
        for (topic, _), claimed in records.items():
            if topic is Topic.CLAIMS:
                for record in claimed:
                    profile, holder = (record.key or b"").decode(), record.value or b""
                    if self.claims.setdefault(profile, holder) != holder:
                        raise Violation(
                            f"profile {profile} is claimed for {self.claims[profile]!r} and "
                            f"for {holder!r}"
                        )
                    found.add(profile)
        return found

    def _advance(
        self,
        partition: int,
        committed: Committed,
        records: dict[tuple[Topic, int], list[Record]],
        used: set[str],
    ) -> None:
        state = self._partitions[partition]
        former = 0 if state.offset is None else state.offset
        if committed.offset < former or (state.offset is None and committed.offset != 0):
            raise Violation(
                f"partition {partition}: offset {committed.offset} committed after {state.offset}"
            )
        end = len(self.broker.logs[Topic.UPDATES][partition].entries)
        if committed.offset > end:
            raise Violation(f"partition {partition}: offset {committed.offset} beyond {end}")
        snapshots, letters = [], []
        processed = False
        for entry in self._input(partition, former, committed.offset):
            outcome = state.step(entry, self.claims)
            if outcome.snapshot is not None:
                snapshots.append((entry.key, outcome.snapshot, entry.timestamp))
            elif outcome.reason is not None:
                letters.append((entry.offset, outcome.reason, entry.key, entry.value))
            if outcome.claims is not None:
                used.add(outcome.claims)
            processed = True
        self.commits += processed
        written = records.pop((Topic.SESSIONS, partition), [])
        told = [(each.key, each.value, each.timestamp) for each in written]
        if told != snapshots:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: published "
                + _difference(told, snapshots)
            )
        told_letters = [
            letter_of(each) for each in records.pop((Topic.DEAD_LETTERS, partition), [])
        ]
        if told_letters != letters:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: dead "
                + _difference(told_letters, letters)
            )
        state.letters += letters
        for each in written:
            state.snapshots.append((each.offset, each.key or b"", each.value or b""))
            state.values.add((each.key or b"", each.value or b""))
        state.offset = committed.offset

    def _input(self, partition: int, start: int, end: int) -> Iterator[Entry]:
        """Yield the input's committed records between two offsets, whether they expired or not."""
        for each in self.broker.logs[Topic.UPDATES][partition].entries[start:end]:
            if each.record is not None and each.readable:
                yield Entry(*each.record[1:])

    def _metadata(self, partition: int, committed: Committed, identity: str) -> None:
        where = f"partition {partition}: the metadata of offset {committed.offset}"
        try:
            metadata = CommitMetadata.decode(committed.metadata, CLUSTER)
        except ForeignText as error:
            raise Violation(f"{where} is not ours: {error}") from error
        if metadata.identity != identity:
            raise Violation(f"{where} names {metadata.identity}, and {identity} committed it")
        output = self._partitions[partition].next_output()
        if metadata.output != output:
            raise Violation(f"{where} says that output {metadata.output} is next, not {output}")

    def published(self, partition: int) -> list[tuple[bytes, bytes]]:
        """Return all snapshots that were committed, compacted or not."""
        return [(key, value) for _, key, value in self._partitions[partition].snapshots]

    def letters(self, partition: int) -> list[Letter]:
        """Return all dead letters that were committed, expired or not."""
        return self._partitions[partition].letters

    # Repairs

    def repaired(self, offsets: Mapping[int, int], *, exact: bool) -> None:
        """Go on from repaired offsets. Raises Violation where one is not what the documents say.

        `exact` where the offset's own text tells all: then nothing is read again.
        """
        self.claims = {
            (record.key or b"").decode(): record.value or b""
            for partition in range(len(self._partitions))
            for record in self._readable(Topic.CLAIMS, partition)
        }
        for partition, offset in offsets.items():
            state = self._partitions[partition]
            former, updates = state.offset or 0, self.broker.logs[Topic.UPDATES][partition]
            known = state.sessions(state.next_output())
            state.repaired(offset, self.broker.logs[Topic.SESSIONS][partition])
            left = state.sessions(state.next_output())
            due = max(former, updates.start)
            if former > len(updates.entries):
                due = updates.start
            elif known != left:
                answered = [input_offset(value) for value in left.values()]
                due = max(max(answered, default=-1) + 1, updates.start)
            elif not exact and offset < due:
                self._read_again(partition, offset, former)
                continue
            if offset != due:
                raise Violation(f"partition {partition}: repaired to {offset}, and {due} is due")

    def _read_again(self, partition: int, start: int, end: int) -> None:
        """See that nothing comes of records that are read again, but letters that expired."""
        log = self.broker.logs[Topic.DEAD_LETTERS][partition]
        left = {
            letter_of(each)[0]
            for each in self._readable(Topic.DEAD_LETTERS, partition)
            if each.offset >= log.start
        }
        node = self._partitions[partition].node
        for entry in self._input(partition, start, end):
            outcome = node.step(entry, self.claims)
            if outcome.snapshot is not None or (outcome.reason and entry.offset in left):
                raise Violation(
                    f"partition {partition}: repaired to {start}, and input offset {entry.offset} "
                    "is answered already"
                )
            node = outcome.after

    def _readable(self, topic: Topic, partition: int) -> Iterator[Record]:
        for each in self.broker.logs[topic][partition].entries:
            if each.record is not None and each.readable:
                yield each.record

    # Redis

    def put(self, server: FakeServer, name: str, fields: Fields) -> None:
        """Raise Violation where what was written is not committed, or not whole."""
        if name in self._current:
            self._whole(server, self._current[name], fields.get(b"") or b"")
        elif name.startswith(self._sessions):
            partition = int(name[name.index(":") + 1 : name.index("}")])
            state = self._partitions[partition]
            for key, value in fields.items():
                if key != CHECKPOINT and value is not None and (key, value) not in state.values:
                    raise Violation(
                        f"partition {partition}: Redis has a snapshot of {key!r} that is not "
                        "committed"
                    )
            generation = name.rsplit(":", 1)[1]
            if server.text(self._keys.current(partition)) == generation:
                self._whole(server, partition, generation.encode())

    def _whole(self, server: FakeServer, partition: int, generation: bytes) -> None:
        """See that the current generation has all that its checkpoint says, and no more."""
        state = self._partitions[partition]
        stored = server.hashes[self._keys.sessions(partition, generation.decode())]
        checkpoint = Checkpoint.decode(stored[CHECKPOINT])
        if checkpoint.filled >= 0:
            raise Violation(f"partition {partition}: an unfinished generation became current")
        if state.offset is None or checkpoint.offset > state.offset:
            raise Violation(
                f"partition {partition}: Redis is at offset {checkpoint.offset}, and {state.offset}"
                " is committed"
            )
        wanted = state.sessions(checkpoint.output)
        if {**wanted, CHECKPOINT: stored[CHECKPOINT]} != stored:
            raise Violation(
                f"partition {partition}: Redis is not what the output is up to {checkpoint.output}:"
                f" {_difference(sorted(stored), sorted(wanted))}"
            )

    # The end

    def processed(self) -> bool:
        """Whether every input record is behind a committed offset."""
        logs = self.broker.logs[Topic.UPDATES]
        return all(
            state.offset is not None
            and not any(self._input(partition, state.offset, len(logs[partition].entries)))
            for partition, state in enumerate(self._partitions)
        )

    def unpassed(self) -> list[int]:
        """Return the partitions whose committed offset stands before what has no record."""
        logs = self.broker.logs[Topic.UPDATES]
        return [
            partition
            for partition, state in enumerate(self._partitions)
            if state.offset != len(logs[partition].entries)
        ]

    def lacking(self, server: FakeServer) -> str | None:
        """Return what Redis lacks of what is committed, None where it is the same."""
        for partition, state in enumerate(self._partitions):
            generation = server.text(self._keys.current(partition))
            stored = server.hashes.get(self._keys.sessions(partition, generation), {})
            sessions = {key: value for key, value in stored.items() if key != CHECKPOINT}
            if sessions != state.sessions(state.next_output()) or CHECKPOINT not in stored:
                return f"the sessions of partition {partition}"
        if server.text(self._keys.claims(), b"ready") != "1" or self._held(server) != self.claims:
            return "the claims"
        return None

    def pending_claims(self, server: FakeServer) -> bool:
        """Whether Redis has claims that are not committed, or not all that are."""
        return self._held(server) != self.claims

    def _held(self, server: FakeServer) -> dict[str, bytes]:
        generation = server.text(self._keys.claims(), b"generation")
        holders = server.hashes.get(self._keys.holders(generation), {})
        return {key.decode(): value for key, value in holders.items() if key}


def input_offset(snapshot: bytes) -> int:
    return int(decode_session(snapshot)["inputOffset"])


def letter_of(record: Record) -> Letter:
    headers = dict(record.headers)
    offset, reason = headers[ERROR_HEADERS[5]], headers[ERROR_HEADERS[0]]
    return int(offset or b""), (reason or b"").decode(), record.key, record.value


def _difference(found: list[Any], wanted: list[Any]) -> str:
    place = next(
        (at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(wanted)),
    )
    return (
        f"{len(found)} records where {len(wanted)} are due; the first to differ is number {place}: "
        f"{_short(found[place : place + 1])} for {_short(wanted[place : place + 1])}"
    )


def _short(values: list[Any]) -> str:
    text = repr(values)
    return text if len(text) < 200 else text[:200] + "…"
