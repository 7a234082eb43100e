"""What must hold after every commit and every write to Redis, by the oracle."""

from collections.abc import Mapping
from typing import Any

from fakes.log import FakeBroker, Transaction
from fakes.redis_server import FakeServer, Fields

from processor.ports.log import Committed, Record, Topic
from processor.redis.keys import CHECKPOINT, Keys
from processor.stages.publish import ERROR_HEADERS
from processor.state.checkpoint import Checkpoint, CommitMetadata, ForeignText
from simulation.history import History
from simulation.scheduler import Violation

CLUSTER = "the-fake-cluster"


class _Committed:
    """What is committed of one partition."""

    def __init__(self, root: Any) -> None:
        self.node = root
        self.offset: int | None = None
        self.taken = 0
        """Records that are behind `offset`."""
        self.snapshots: list[tuple[int, bytes, bytes]] = []
        """Output offset, key, value."""
        self.values: set[tuple[bytes, bytes]] = set()

    def next_output(self) -> int:
        return self.snapshots[-1][0] + 1 if self.snapshots else 0

    def sessions(self, output: int) -> dict[bytes, bytes]:
        """Return the sessions as of an output offset."""
        return {key: value for offset, key, value in self.snapshots if offset < output}


class Check:
    """Compares each transaction, as it is committed, with what the oracle makes of its records."""

    def __init__(self, history: History, keys: Keys) -> None:
        self._history = history
        self._keys = keys
        self._partitions = [_Committed(root) for root in history.roots]
        self._current = {keys.current(p): p for p in range(len(self._partitions))}
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
        entries = self._history.entries[partition]
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
        while state.taken < len(entries) and entries[state.taken].offset < committed.offset:
            entry = entries[state.taken]
            outcome = state.node.step(entry, self.claims)
            if outcome.snapshot is not None:
                snapshots.append((entry.key, outcome.snapshot, entry.timestamp))
            elif outcome.reason is not None:
                letters.append((entry.offset, outcome.reason, entry.key, entry.value))
            if outcome.claims is not None:
                used.add(outcome.claims)
            state.node = outcome.after
            state.taken += 1
            processed = True
        self.commits += processed
        written = records.pop((Topic.SESSIONS, partition), [])
        told = [(each.key, each.value, each.timestamp) for each in written]
        if told != snapshots:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: published "
                + _difference(told, snapshots)
            )
        told_letters = [_letter(each) for each in records.pop((Topic.DEAD_LETTERS, partition), [])]
        if told_letters != letters:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: dead "
                + _difference(told_letters, letters)
            )
        for each in written:
            state.snapshots.append((each.offset, each.key or b"", each.value or b""))
            state.values.add((each.key or b"", each.value or b""))
        state.offset = committed.offset

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

    # Redis

    def put(self, server: FakeServer, name: str, fields: Fields) -> None:
        """Raise Violation where what was written is not committed, or not whole."""
        if name in self._current:
            self._whole(server, self._current[name], fields.get(b"") or b"")
        elif ":sessions:" in name:
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
        return all(
            state.offset is not None and state.taken == len(entries)
            for state, entries in zip(self._partitions, self._history.entries, strict=True)
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
        claims = self._keys.claims()
        holders = server.hashes.get(self._keys.holders(server.text(claims, b"generation")), {})
        held = {key.decode(): value for key, value in holders.items() if key}
        if server.text(claims, b"ready") != "1" or held != self.claims:
            return "the claims"
        return None


def _letter(record: Record) -> tuple[int, str, bytes | None, bytes | None]:
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
