"""Each of these defects is found within 5,000 seeds: so a clean run rules out such as they are.

They are planted where the production code, or the server that a fake stands for, could have them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from inspect import getclosurevars
from typing import Any

import pytest
from fakes.log import FakePublication
from fakes.redis import FakeClaims, FakeSessionCache

from processor.errors import FailClosed
from processor.partitions import takeover
from processor.partitions.committed import OffsetFault
from processor.partitions.takeover import Takeover
from processor.ports.claims import ClaimsNotReady
from processor.ports.log import BatchAborted, Committed, Coordination, Extent, Membership
from processor.runtime.pipeline import Pipeline
from processor.stages.publish import Publish
from processor.state.checkpoint import Position
from simulation import faults
from simulation.plan import draw
from simulation.ports import Answered, Around, Call
from simulation.run import quiet, simulate

SEEDS = 5_000
Offsets = Callable[[Mapping[int, int]], Mapping[int, Committed]]
Patch = pytest.MonkeyPatch


def found(expected: str) -> int:
    """Return how many seeds it took until one failed, and failed so."""
    with quiet():
        for seed in range(SEEDS):
            violation = simulate(draw(seed)).violation
            if violation is not None:
                assert expected in violation, f"seed {seed}: {violation}"
                print(f"found by seed {seed}: {violation}")  # noqa: T201  what the test shows
                return seed
    raise AssertionError(f"not found by {SEEDS} seeds")


def the_batch(offsets: Offsets, still_holds: Callable[[], None]) -> tuple[Any, Any, Any]:
    """Return the pipeline, its batch and where that ends, out of what `Publish.commit` is given."""
    inside = getclosurevars(still_holds).nonlocals
    return inside["self"], inside["batch"], getclosurevars(offsets).nonlocals["positions"]


def test_a_commit_before_the_flush(monkeypatch: Patch) -> None:
    def commit(
        self: Publish, offsets: Offsets, membership: Membership, still_holds: Callable[[], None]
    ) -> None:
        still_holds()
        self._publication.commit(offsets({}), membership)
        self._publication.flush()

    monkeypatch.setattr(Publish, "commit", commit)
    found("is next, not")


def test_a_store_before_the_commit(monkeypatch: Patch) -> None:
    def commit(
        self: Publish, offsets: Offsets, membership: Membership, still_holds: Callable[[], None]
    ) -> None:
        committed = offsets(self._publication.flush())
        still_holds()
        pipeline, batch, positions = the_batch(offsets, still_holds)
        pipeline._keep(batch.changed, positions)
        self._publication.commit(committed, membership)

    monkeypatch.setattr(Publish, "commit", commit)
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
    found("partition")


def test_a_claim_taken_after_the_commit(monkeypatch: Patch) -> None:
    take, keep = FakeClaims.take, Pipeline._keep
    taken: dict[FakeClaims, list[tuple[str, Mapping[str, str]]]] = {}

    def promise(self: FakeClaims, generation: str, claims: Mapping[str, str]) -> dict[str, str]:
        taken.setdefault(self, []).append((generation, claims))
        return {**claims, **self._held(generation, claims)}

    def keep_and_take(self: Pipeline, *batch: Any) -> None:
        claims: Any = self._claims
        for generation, claimed in taken.pop(claims._target, []):
            try:
                take(claims._target, generation, claimed)
            except ClaimsNotReady:
                continue
        keep(self, *batch)

    monkeypatch.setattr(FakeClaims, "take", promise)
    monkeypatch.setattr(Pipeline, "_keep", keep_and_take)
    found("is claimed for")


def test_an_end_of_minus_1001_taken_for_an_answer(monkeypatch: Patch) -> None:
    meet_away, unanswered = Around._meet_away, faults.AT_CALLS["unanswered"]

    def unknown(method: str) -> None:
        if method == "coordination.extent":
            raise Answered(Extent(0, -1001, -1001))

    def meet(self: Around, method: str) -> None:
        unknown(method)
        meet_away(self, method)

    def no_answer(world: Any, process: Any, happens: Any, call: Call) -> None:
        unknown(call.method)
        unanswered(world, process, happens, call)

    monkeypatch.setattr(Around, "_meet_away", meet)
    monkeypatch.setitem(faults.AT_CALLS, "unanswered", no_answer)
    found("-1001")


def test_an_offset_committed_without_its_metadata(monkeypatch: Patch) -> None:
    commit = FakePublication.commit

    def bare(
        self: FakePublication, offsets: Mapping[int, Committed], membership: Membership
    ) -> None:
        commit(self, {p: Committed(each.offset, "") for p, each in offsets.items()}, membership)

    monkeypatch.setattr(FakePublication, "commit", bare)
    found("is not ours")


def test_redis_written_for_an_aborted_batch(monkeypatch: Patch) -> None:
    def commit(
        self: Publish, offsets: Offsets, membership: Membership, still_holds: Callable[[], None]
    ) -> None:
        committed = offsets(self._publication.flush())
        still_holds()
        try:
            self._publication.commit(committed, membership)
        except BatchAborted:
            pipeline, batch, positions = the_batch(offsets, still_holds)
            pipeline._keep(batch.changed, positions)
            raise

    monkeypatch.setattr(Publish, "commit", commit)
    found("not committed")


def test_a_claim_freed_before_its_commit(monkeypatch: Patch) -> None:
    def commit(
        self: Publish, offsets: Offsets, membership: Membership, still_holds: Callable[[], None]
    ) -> None:
        committed = offsets(self._publication.flush())
        still_holds()
        pipeline, batch, _ = the_batch(offsets, still_holds)
        claims = pipeline._claims._target
        if batch.claimed:
            holders = claims._server.hashes[claims._keys.holders(batch.generation)]
            for profile in [each for each in holders if each]:
                del holders[profile]
        self._publication.commit(committed, membership)

    monkeypatch.setattr(Publish, "commit", commit)
    found("is claimed for")


def test_a_virgin_partition_that_another_took_over_meanwhile(monkeypatch: Patch) -> None:
    """What the topics hold is compared with an offset that may be an old one by then."""

    def checked(
        self: Takeover, partition: int, committed: Committed | None
    ) -> Generator[bool, None, Position]:
        found = yield from self._compared(partition, committed)
        if isinstance(found, OffsetFault):
            raise FailClosed(found.message)
        return found

    monkeypatch.setattr(Takeover, "_checked", checked)
    found("has no committed offset, but")
