"""What must hold after every commit and every write to Redis, by the oracle."""

from collections.abc import Iterator, Mapping, Sequence

from fakes.broker import FakeBroker, Transaction
from fakes.redis_server import FakeServer, Fields
from oracle import Entry, Snapshot, decode_session, is_command, is_nobodys, timed

from processor.ports.log import Committed, Record, Topic
from processor.redis.keys import CHECKPOINT, Keys
from processor.stages.publish import ERROR_HEADERS
from processor.state.checkpoint import Checkpoint, CommitMetadata, ForeignText
from processor.state.ends import end_of
from simulation.committed import (
    Letter,
    PartitionState,
    Promoting,
    difference,
)
from simulation.history import History, names_profiles
from simulation.plan import WRONG_CLOCKS_S
from simulation.scheduler import Violation

CLUSTER = "the-fake-cluster"
REMOVALS = b"removals"
"""The field beside the claims that notes which of them are to be removed."""
_NO_PROFILES = {b"", REMOVALS}


class Check:
    """Compares each transaction, as it is committed, with what the oracle makes of its records."""

    def __init__(self, history: History, keys: Keys) -> None:
        self._keys = keys
        self._partitions = [*map(PartitionState, history.roots, history.entries)]
        self._current = {keys.current(p): p for p in range(len(self._partitions))}
        self._sessions = tuple(keys.sessions(p, "") for p in range(len(self._partitions)))
        self._holders = keys.holders("")
        self._taken = self._erases = 0
        """Of a transaction: how many input records, and how many erases that name profiles."""
        self.broker: FakeBroker
        self._output = f"id-of-{Topic.SESSIONS.value}"
        """The id of the output, as it was when offsets were last repaired."""
        self.claims: dict[str, bytes] = {}
        self._ended_at: dict[str, float] = {}
        """When a claim was ended last, by profile."""
        self.commits = 0
        """Transactions that processed records."""
        self.promotes: dict[int, Promoting] = {}
        """What a promote has still to publish, by partition."""

    def next_output(self, partition: int) -> int:
        """Return the output offset after the last committed record, 0 without one."""
        return self._partitions[partition].next_output()

    def last_snapshot(self, partition: int) -> int:
        """Return the output offset of the last committed snapshot or end, -1 without one."""
        snapshots = self._partitions[partition].snapshots
        return snapshots[-1][0] if snapshots else -1

    # The log

    def commit(self, identity: str, transaction: Transaction) -> None:
        """Raise Violation where a transaction is not what the oracle says."""
        records = {place: self._records(place, transaction) for place in transaction.first}
        rolled = [place for place in records if self._rolled(place, records)]
        claims, ended = self._claims(records)
        used: set[str] = set()
        due: dict[str, bytes | None] = {}
        self._taken = self._erases = 0
        for partition, offset in transaction.offsets.items():
            due |= self._advance(partition, offset, records, used)
            self._metadata(partition, offset, identity)
        states = [self._partitions[each] for each in transaction.offsets]
        if rolled and (self._taken or not any(each.ended or each.was_repaired for each in states)):
            raise Violation(f"segments are to roll where nothing has ended: {rolled}")
        if self._erases and self._taken > 1:
            raise Violation(f"an erase shares a transaction, up to {transaction.offsets}")
        # Who looked at a claim before another erase ended it, had nothing to end: it came first.
        since = transaction.since
        due = {p: due[p] for p in due if p in ended or self._ended_at.get(p, -1) < since}
        if due != ended:
            raise Violation(f"claims were ended: {ended}; due is {due}")
        for profile, after in ended.items():
            self._ends_claim(profile, after)
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

    def _rolled(
        self, place: tuple[Topic, int], records: dict[tuple[Topic, int], list[Record]]
    ) -> bool:
        """Leave out what only lets a segment roll; return whether there was such a record."""
        (topic, partition), written = place, records[place]
        records[place] = [each for each in written if not is_nobodys(each)]
        if len(records[place]) == len(written):
            return False
        if topic is Topic.SESSIONS:
            self._partitions[partition].rolled = written[-1].offset + 1
        return True

    def _claims(
        self, records: Mapping[tuple[Topic, int], list[Record]]
    ) -> tuple[set[str], dict[str, bytes | None]]:
        """Take what was claimed; return these profiles, and what became of claims that end."""
        found, ended = set(), dict[str, bytes | None]()
        for (topic, _), claimed in records.items():
            if topic is Topic.CLAIMS:
                for record in claimed:
                    profile, holder = (record.key or b"").decode(), record.value
                    if not holder:
                        ended[profile] = holder
                        continue
                    if self.claims.setdefault(profile, holder) != holder:
                        raise Violation(
                            f"profile {profile} is claimed for {self.claims[profile]!r} and "
                            f"for {holder!r}"
                        )
                    found.add(profile)
        return found, ended

    def _ends_claim(self, profile: str, after: bytes | None) -> None:
        self._ended_at[profile] = self.broker.clock.monotonic()
        if after is None:
            self.claims.pop(profile, None)
        else:
            self.claims[profile] = after
        for state in self._partitions:
            for decision in state.decisions:
                decision.ended = decision.ended or decision.profile == profile

    def _advance(
        self,
        partition: int,
        committed: Committed,
        records: dict[tuple[Topic, int], list[Record]],
        used: set[str],
    ) -> dict[str, bytes | None]:
        """Compare what a transaction has of a partition; return what it is to make of claims."""
        state = self._partitions[partition]
        former = 0 if state.offset is None else state.offset
        if committed.offset < former or (state.offset is None and committed.offset != 0):
            raise Violation(
                f"partition {partition}: offset {committed.offset} committed after {state.offset}"
            )
        end = len(self.broker.logs[Topic.UPDATES][partition].entries)
        if committed.offset > end:
            raise Violation(f"partition {partition}: offset {committed.offset} beyond {end}")
        entries = [*self._input(partition, former, committed.offset)]
        snapshots, letters, ended = self._due(partition, entries, used)
        self.commits += bool(entries)
        written = records.pop((Topic.SESSIONS, partition), [])
        told = [*map(Snapshot.of, written)]
        now = self.broker.clock.now_ms()
        clocks = (now + int(wrong_by * 1000) for wrong_by in (0, *WRONG_CLOCKS_S))
        snapshots = timed(snapshots, told, *clocks)
        promotes = told and not entries and partition in self.promotes
        if promotes:
            self.promotes[partition].take(told)
            ends = any(each.value is None for each in told)
            state.commanded, state.ended = state.commanded or ends, state.ended or ends
        elif told != snapshots:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: published "
                + difference(told, snapshots)
            )
        told_letters = [
            letter_of(each) for each in records.pop((Topic.DEAD_LETTERS, partition), [])
        ]
        if told_letters != letters:
            raise Violation(
                f"partition {partition}, input offsets {former} to {committed.offset}: dead "
                + difference(told_letters, letters)
            )
        state.letters += letters
        for record, snapshot in zip(written, told, strict=True):
            state.snapshots.append((record.offset, snapshot))
            state.values.add(snapshot[:2])
        if promotes:
            state.go_on()
        state.offset = committed.offset
        return ended

    def _due(
        self, partition: int, entries: Sequence[Entry], used: set[str]
    ) -> tuple[list[Snapshot], list[Letter], dict[str, bytes | None]]:
        """Return what is to be published of records, and what they make of claims."""
        state = self._partitions[partition]
        snapshots, letters, ended = [], [], dict[str, bytes | None]()
        for entry in entries:
            outcome = state.step(entry, self.claims)
            state.commanded = state.commanded or is_command(entry)
            state.ended = state.ended or outcome.ends
            ended |= outcome.ended_claims
            self._taken += 1
            if outcome.reason is None and names_profiles(entry):
                self._erases += 1
            if outcome.snapshot is not None:
                key, value, _, end = outcome.snapshot
                snapshots.append(Snapshot(key, value, entry.timestamp, end))
                state.decide(outcome, entry.offset, self.claims)
            elif outcome.reason is not None:
                letters.append((entry.offset, outcome.reason, entry.key, entry.value))
            if outcome.claims is not None:
                used.add(outcome.claims)
        return snapshots, letters, ended

    def input(self, partition: int, start: int) -> Iterator[Entry]:
        """Yield the input's committed records from an offset on, whether they expired or not."""
        return self._input(
            partition, start, len(self.broker.logs[Topic.UPDATES][partition].entries)
        )

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
        state = self._partitions[partition]
        if metadata.commands < state.commanded or (
            metadata.commands > state.commanded and not state.was_repaired
        ):
            raise Violation(f"{where} says of commands {metadata.commands}")
        if (metadata.ended is not None) < state.ended or (
            (metadata.ended is not None) > state.ended and not state.was_repaired
        ):
            raise Violation(f"{where} says that the last end was at {metadata.ended}")

    def published(self, partition: int) -> list[Snapshot]:
        """Return all snapshots and ends that were committed, compacted or not."""
        return [each for _, each in self._partitions[partition].snapshots]

    def undecided(self, partition: int) -> set[tuple[bytes, int]]:
        """Return the snapshots, by key and input offset, whose `firstSession` a replay may change.

        It was decided upon a claim that an erase has ended since, or was about to.
        """
        return {
            (each.key, offset)
            for each in self._partitions[partition].decisions
            if each.ended
            for offset in each.offsets
        }

    def letters(self, partition: int) -> list[Letter]:
        """Return all dead letters that were committed, expired or not."""
        return self._partitions[partition].letters

    # Promotes and repairs

    def offset(self, partition: int) -> int | None:
        """Return the committed offset, None where there is none."""
        return self._partitions[partition].offset

    def repaired(self, offsets: Mapping[int, int], *, exact: bool) -> None:
        """Go on from repaired offsets. Raises Violation where one is not what the documents say.

        `exact` where the offset's own text tells all: then nothing is read again.
        """
        last = {
            (record.key or b"").decode(): record.value
            for partition in range(len(self._partitions))
            for record in self._readable(Topic.CLAIMS, partition)
        }
        self.claims = {key: value for key, value in last.items() if value is not None}
        output = self.broker.ids[Topic.SESSIONS]
        created_again, self._output = output != self._output, output
        for partition, offset in offsets.items():
            state = self._partitions[partition]
            former, updates = state.offset or 0, self.broker.logs[Topic.UPDATES][partition]
            known = state.latest(state.next_output())
            # Where only what lets a segment roll was cut off, the repair cannot know that it was.
            was_cut = len(self.broker.logs[Topic.SESSIONS][partition].entries) < state.next_output()
            state.repaired(offset, self.broker.logs[Topic.SESSIONS][partition])
            left = state.latest(state.next_output())
            due = max(former, updates.start)
            if former > len(updates.entries):
                due = updates.start
            elif known != left:
                answered = [*map(input_offset, left.values())]
                due = max(max(answered, default=-1) + 1, updates.start)
            elif (was_cut or created_again or not exact) and offset < due:
                again = was_cut or created_again
                self._read_again(partition, offset, former, letters_again=again)
                continue
            if offset != due:
                raise Violation(f"partition {partition}: repaired to {offset}, and {due} is due")

    def _read_again(self, partition: int, start: int, end: int, *, letters_again: bool) -> None:
        """See that nothing comes of records that are read again, but letters that expired.

        Where the output's end is gone, all letters come again, as the repair says beforehand.
        """
        log = self.broker.logs[Topic.DEAD_LETTERS][partition]
        left = {
            letter_of(each)[0]
            for each in self._readable(Topic.DEAD_LETTERS, partition)
            if each.offset >= log.start
        }
        node = self._partitions[partition].node
        for entry in self._input(partition, start, end):
            outcome = node.step(entry, self.claims)
            letter_stands = outcome.reason and entry.offset in left and not letters_again
            if outcome.snapshot is not None or letter_stands:
                raise Violation(
                    f"partition {partition}: repaired to {start}, and input offset {entry.offset} "
                    "is answered already"
                )
            node = outcome.after

    def _readable(self, topic: Topic, partition: int) -> Iterator[Record]:
        for each in self.broker.logs[topic][partition].entries:
            if each.record is not None and each.readable and not is_nobodys(each.record):
                yield each.record

    # Redis

    def put(self, server: FakeServer, name: str, fields: Fields) -> None:
        """Raise Violation where what was written is not committed, or not whole."""
        if name.startswith(self._holders):
            self._put_claims(server, name, fields)
        elif name in self._current:
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

    def _put_claims(self, server: FakeServer, name: str, fields: Fields) -> None:
        """See that no claim which is committed is given to another, or goes before it has ended."""
        claims = self._keys.claims()
        if name != self._keys.holders(server.text(claims, b"generation")):
            return
        if server.text(claims, b"ready") != "1" or server.text(claims, b"run_id") != str(
            server.run_id
        ):
            return
        for field, holder in fields.items():
            of = self.claims.get(field.decode())
            # None: its claim is removed; b"" is what an erase makes of it before its commit.
            if of is not None and field != REMOVALS and holder not in {of, b""}:
                raise Violation(
                    f"Redis has {holder!r} for the claim of {field!r}, and it is of {of!r} still"
                )

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
                f" {difference(sorted(stored), sorted(wanted))}"
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
        generation = server.text(self._keys.claims(), b"generation")
        if server.field(self._keys.holders(generation), REMOVALS) is not None:
            return "the end of removals"
        return None

    def pending_claims(self, server: FakeServer) -> bool:
        """Whether Redis has claims that are not committed, or not all that are."""
        return self._held(server) != self.claims

    def _held(self, server: FakeServer) -> dict[str, bytes]:
        generation = server.text(self._keys.claims(), b"generation")
        holders = server.hashes.get(self._keys.holders(generation), {})
        return {key.decode(): value for key, value in holders.items() if key not in _NO_PROFILES}


def input_offset(snapshot: Snapshot) -> int:
    """Return the input offset of what a snapshot or an end answers."""
    if snapshot.value is not None:
        return int(decode_session(snapshot.value)["inputOffset"])
    end = end_of(snapshot.end)
    assert end is not None
    return end.input_offset


def letter_of(record: Record) -> Letter:
    headers = dict(record.headers)
    offset, reason = headers[ERROR_HEADERS[5]], headers[ERROR_HEADERS[0]]
    return int(offset or b""), (reason or b"").decode(), record.key, record.value
