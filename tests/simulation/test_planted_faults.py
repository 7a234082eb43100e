"""Each of these defects is found within 5,000 seeds: so a clean run rules out such as they are.

They are planted where the production code, or the server that a fake stands for, could have them.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from inspect import getsource
from textwrap import dedent
from typing import Any

import pytest
from fakes.log import FakeCoordination, FakePublication
from fakes.redis import FakeClaims, FakeSessionCache

from processor.bootstrap import retaining, wiring
from processor.bootstrap.adapters import Adapters
from processor.bootstrap.codecs import Codecs
from processor.core.command import SessionCommand, fold_command
from processor.core.outcome import Ended, PassedOver
from processor.core.session import Session
from processor.dead_letters.redrive import Redrive
from processor.offsets.repair import Evidence
from processor.partitions import published, takeover
from processor.partitions.takeover import Takeover
from processor.ports.log import BatchAborted, Committed, Coordination, Extent, Topic
from processor.replay.seed import Seed
from processor.runtime.assignment import Assignment
from processor.runtime.commits import Commits
from processor.runtime.fold_part import FoldPart
from processor.runtime.idle import IdleCommit
from processor.runtime.pipeline import Pipeline
from processor.stages import fold
from processor.stages.load import Load
from processor.state.expiry import Keep
from simulation import faults
from simulation.found import CLAIMED, COMPACTED, FENCED, VIRGIN
from simulation.plan import draw
from simulation.ports import Call
from simulation.repairs import RepairCommand
from simulation.run import quiet, simulate
from simulation.world import KEEP

SEEDS = 5_000
COMMIT = "        self._publication.commit(offsets, membership)\n"
Patch = pytest.MonkeyPatch


def found(*expected: str, first: int = 0) -> int:
    """Return the first seed from `first` on that failed, and see that it failed so."""
    with quiet():
        for seed in range(first, first + SEEDS):
            violation = simulate(draw(seed)).violation
            if violation is not None:
                assert any(each in violation for each in expected), f"seed {seed}: {violation}"
                print(f"found by seed {seed}: {violation}")  # noqa: T201  what the test shows
                return seed
    raise AssertionError(f"not found by {SEEDS} seeds")


def plant(
    monkeypatch: Patch, owner: type, method: str, edits: Mapping[str, str], **known: object
) -> None:
    """Have a method read otherwise: each key of `edits`, a part of its source, as its value."""
    source = getsource(getattr(owner, method))
    for old, new in edits.items():
        assert source.count(old) == 1, f"{method} does not read so any more: {old}"
        source = source.replace(old, new)
    names = {**vars(sys.modules[owner.__module__]), **known}
    exec(dedent(source), names)  # noqa: S102  the project's own source
    monkeypatch.setattr(owner, method, names[method])


def test_a_commit_before_the_flush(monkeypatch: Patch) -> None:
    edits = {
        "ends = self._publication.flush()": "ends = {}",
        COMMIT: COMMIT + "        self._publication.flush()\n",
    }
    plant(monkeypatch, Commits, "_committed", edits)
    found("is next, not")


def test_a_store_before_the_commit(monkeypatch: Patch) -> None:
    edits = {COMMIT: "        self._stored(batch.changed, self._checkpoints(positions))\n" + COMMIT}
    plant(monkeypatch, Commits, "_committed", edits)
    found("not committed")


def test_no_check_of_the_stamp(monkeypatch: Patch) -> None:
    def put(self: FakeSessionCache, partition: int, write: Any) -> bool:
        name = self._keys.sessions(partition, write.stamp.generation)
        self._server.put(name, {**write.snapshots, b"": write.checkpoint})
        return True

    monkeypatch.setattr(FakeSessionCache, "_put", put)
    found("Redis is not what the output is")


def test_no_fence(monkeypatch: Patch) -> None:
    def stable_offset(
        partition: int, coordination: Coordination, *_rest: object
    ) -> Generator[bool, None, Committed | None]:
        yield True
        return coordination.committed(partition, stable=False)

    monkeypatch.setattr(takeover, "stable_offset", stable_offset)
    found("committed after", "published", "is to be read next", "later commits are gone")


def test_a_claim_taken_after_the_commit(monkeypatch: Patch) -> None:
    edits = {
        "held = self.claims.take(generation, folded.claims, owners)": (
            "held = folded.claims; vars(batch).setdefault('later', []).append(held)"
        )
    }
    plant(monkeypatch, FoldPart, "__call__", edits)
    later = """\
        for claims in vars(batch).get("later", []):
            self._claims.take(batch.generation, claims, {})
"""
    plant(monkeypatch, Commits, "_committed", {COMMIT: COMMIT + later})
    found("is claimed for", "Redis lacks the claims")


def test_an_end_of_minus_1001_taken_for_an_answer(monkeypatch: Patch) -> None:
    extent, unanswered = FakeCoordination.extent, faults.AT_CALLS["unanswered"]

    def of_nobody(self: FakeCoordination, topic: Topic, partition: int) -> Extent:
        if self._broker.available and not self._broker.answers(topic, partition):
            return Extent(0, -1001, -1001)
        return extent(self, topic, partition)

    def no_answer(world: Any, process: Any, happens: Any, call: Call) -> None:
        if call.method == "coordination.extent":
            call.answer(Extent(0, -1001, -1001))
        unanswered(world, process, happens, call)

    monkeypatch.setattr(FakeCoordination, "extent", of_nobody)
    monkeypatch.setitem(faults.AT_CALLS, "unanswered", no_answer)
    found("-1001", first=500)


def test_an_offset_committed_without_its_metadata(monkeypatch: Patch) -> None:
    bare = "{each: Committed(position.offset, '') for each, position in positions.items()}"
    edits = {"with_metadata(positions, self._stream, self._publication.identity())": bare}
    plant(monkeypatch, Commits, "_committed", edits, Committed=Committed)
    found("is not ours")


def test_redis_written_for_an_aborted_batch(monkeypatch: Patch) -> None:
    tried = """\
        try:
            self._publication.commit(offsets, membership)
        except Exception:
            self._stored(batch.changed, self._checkpoints(positions))
            raise
"""
    plant(monkeypatch, Commits, "_committed", {COMMIT: tried})
    found("not committed")


def test_a_claim_freed_before_its_commit(monkeypatch: Patch) -> None:
    freed = """\
        claims = self._claims._target
        if batch.claimed:
            holders = claims._server.hashes[claims._keys.holders(batch.generation)]
            for profile in [each for each in holders if each]:
                del holders[profile]
"""
    plant(monkeypatch, Commits, "_committed", {COMMIT: freed + COMMIT})
    found("is claimed for", "for the claim of")


def test_an_offset_that_stays_before_markers(monkeypatch: Patch) -> None:
    monkeypatch.setattr(IdleCommit, "__call__", lambda *_: None)
    found("markers are not passed")


def test_no_look_beyond_what_was_committed(monkeypatch: Patch) -> None:
    def nothing(*_: object) -> Generator[bool, None, None]:
        yield from ()

    monkeypatch.setattr(published, "snapshot_beyond", nothing)
    found("committed after", "published", "nobody says", first=560)


def test_a_virgin_partition_that_another_took_over_meanwhile(monkeypatch: Patch) -> None:
    """What the topics hold is compared with an offset that may be an old one by then."""
    plant(monkeypatch, Takeover, "_checked", {"if now == committed:": "if True:"})
    with quiet():
        assert simulate(VIRGIN).violation is not None
    found("has no committed offset, but", first=5_160)


def test_a_producer_that_goes_on_after_an_end_that_may_arrive_late(monkeypatch: Patch) -> None:
    plant(monkeypatch, FakePublication, "begin", {"if self.disconnected:": "if False:"})
    found("committed", "published", "to be read next", first=250)


def test_a_redrive_that_commits_its_positions_in_a_later_transaction(monkeypatch: Patch) -> None:
    edits = {
        """\
            self.deliver(
                [each.record for each in batch], committed(self.positions), committed(after)
            )
""": """\
            before = committed(self.positions)
            self.deliver([each.record for each in batch], before, before)
            self.deliver([], before, committed(after))
"""
    }
    plant(monkeypatch, Redrive, "_send", edits)
    found("redrive:")


def test_a_replay_that_copies_a_snapshot_at_its_start(monkeypatch: Patch) -> None:
    plant(monkeypatch, Seed, "_batches", {">= start": "> start"})
    found("sessions that are not the")


def test_a_replay_whose_copy_is_held_to_no_rule(monkeypatch: Patch) -> None:
    """Compaction may have removed what the state needs, since the replay was begun."""
    plant(monkeypatch, Seed, "__call__", {"if not exact.exact:": "if False:"})
    with quiet():
        assert "sessions that are not the" in (simulate(COMPACTED).violation or "")


def test_a_repair_that_leaves_claims_in_redis(monkeypatch: Patch) -> None:
    monkeypatch.setattr(RepairCommand, "remove_claims", lambda _: None)
    with quiet():
        assert "Redis lacks the claims" in (simulate(CLAIMED).violation or "")


def test_a_claim_deleted_before_its_tombstone_is_committed(monkeypatch: Patch) -> None:
    gone = "{profile.encode(): None if profiles[profile] is None else b'' for profile in profiles}"
    edits = {'{profile.encode(): b"" for profile in profiles}': gone}
    plant(monkeypatch, FakeClaims, "give_up", edits)
    found("for the claim of")


def test_an_ended_session_asked_of_redis_again_within_the_transaction(monkeypatch: Patch) -> None:
    edits = {"if state is None and key not in before": "if state is None"}
    plant(monkeypatch, Load, "__call__", edits)
    found("published")


def test_a_replay_that_copies_an_end_at_or_above_its_start(monkeypatch: Patch) -> None:
    edits = {">= start or record": ">= start and record.value is not None or record"}
    plant(monkeypatch, Seed, "_batches", edits)
    found("sessions that are not the")


def test_an_expiry_that_meets_another_life(monkeypatch: Patch) -> None:
    """The session began after what the sender saw, and stands in the same state."""

    def ending(
        session: Session | None, command: SessionCommand, holders: Mapping[str, str]
    ) -> Ended | PassedOver:
        seen = command.input_offset
        if session is not None and seen is not None and session.version == 1:
            command = command._replace(input_offset=max(seen, session.input_offset))
        return fold_command(session, command, holders)

    monkeypatch.setattr(fold, "fold_command", ending)
    found("published")


def test_a_repair_that_does_not_look_at_the_letters(monkeypatch: Patch) -> None:
    monkeypatch.setattr(Evidence, "highest", property(lambda self: self.snapshots))
    found("is answered already", first=340)


def test_a_former_owner_that_claims(monkeypatch: Patch) -> None:
    """Whoever is stopped before its call, or gave it up, claims for what its successor passed."""
    monkeypatch.setattr(FakeClaims, "_raise_fenced", lambda *_: None)
    with quiet():
        assert "Redis lacks the claims" in (simulate(FENCED).violation or "")


def test_a_replay_that_sweeps(monkeypatch: Patch) -> None:
    def retention_of(adapters: Adapters, codecs: Codecs, _keep: Keep, **parts: Any) -> Any:
        return retaining.retention_of(adapters, codecs, KEEP, **parts)

    monkeypatch.setattr(wiring, "retention_of", retention_of)
    found("a replay sent")


def test_a_batch_that_is_not_folded_upon_the_one_whose_commit_is_under_way(
    monkeypatch: Patch,
) -> None:
    plant(monkeypatch, Pipeline, "_parts", {"[*self._commits.batches, batch]": "[batch]"})
    found("published")


def test_a_batch_that_goes_on_although_the_commit_before_it_failed(monkeypatch: Patch) -> None:
    edits = {
        "        finally:\n            del waiting": """\
        except BatchAborted:
            self._publication.abort()
            return
        finally:
            del waiting"""
    }
    plant(monkeypatch, Commits, "await_commit", edits, BatchAborted=BatchAborted)
    found("published")


def test_an_erase_that_does_not_await_the_commit_before_it(monkeypatch: Patch) -> None:
    plant(
        monkeypatch,
        Pipeline,
        "_parts",
        {"if gives_up_claims(updates[0]) and self._leaves(enough):": "if False:"},
    )
    found("claims were ended", first=1_440)


def test_a_commit_under_way_after_which_revoked_partitions_are_read_again(
    monkeypatch: Patch,
) -> None:
    monkeypatch.setattr(Assignment, "revoked", lambda *_: None)
    found("it is not assigned", first=200)
