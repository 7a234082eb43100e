"""Claims that others take, lose or rebuild while a batch is folded."""

from collections.abc import Mapping

import pytest
from fakes.redis import FakeClaims
from fakes.service import PARTITIONS, STREAM, World
from runtime.test_runner import ABORTED, flush

from processor.ports.claims import ClaimsNotReady
from processor.ports.log import Topic
from processor.ports.sessions import CacheUnavailable
from processor.state.claims import claims_stream


class Rivals(FakeClaims):
    """Claims of which others take some just before this process does, or that vanish then."""

    def __init__(self, world: World) -> None:
        super().__init__(world.server, world.keys)
        self.rival = FakeClaims(world.server, world.keys)
        self.won: dict[str, str] = {}
        self.vanish = False
        self.takes = 0

    def take(
        self, generation: str, claims: Mapping[str, str], owners: Mapping[int, str]
    ) -> dict[str, str]:
        self.takes += 1
        if self.vanish:
            self.vanish = False
            raise ClaimsNotReady("gone meanwhile")
        profile = next(iter(claims))
        if not self.won:
            application = profile.split(":")[0]
            self.won = {profile: f"{application}:rival"}
            self.rival.take(generation, self.won, {})
        return super().take(generation, claims, owners)


def test_a_claim_that_another_session_won_is_folded_again(world: World) -> None:
    claims = Rivals(world)
    service = world.service(claims=claims)
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    (profile,) = claims.won
    assert claims.holders([profile])[1] == claims.won
    records = [r for p in range(PARTITIONS) for r in world.records(Topic.CLAIMS, p)]
    assert profile.encode() not in {record.key for record in records}
    assert claims.takes > 1
    with pytest.raises(AssertionError):
        world.assert_exact()  # of that profile no session here is the first


def test_claims_that_vanish_when_they_are_taken_are_rebuilt(world: World) -> None:
    claims = Rivals(world)
    claims.won = {"": ""}
    claims.vanish = True
    service = world.service(claims=claims)
    world.feed_harsh(200, seed=1)
    service.run_until_processed()
    assert service.counted(ABORTED) >= 1
    assert not claims.vanish
    world.assert_exact()


def test_while_another_process_rebuilds_the_claims_they_are_waited_for(world: World) -> None:
    other = FakeClaims(world.server, world.keys)
    generation = other.begin(claims_stream(STREAM))
    assert generation is not None
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until(lambda: world.clock.now > 5)
    assert not service.health.ready().good
    assert sum(each.offset for each in world.broker.committed.values()) == 0
    other.finish(generation)
    service.run_until_processed()
    assert service.claims.holders([])[0] == generation
    world.assert_exact()


def test_claims_that_another_process_has_rebuilt_are_taken_as_they_are(world: World) -> None:
    """Both saw that they were lost; the other was done before this one began."""
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    flush(world)
    other, begin = FakeClaims(world.server, world.keys), service.claims.begin
    generations: list[str] = []
    records = [each for p in range(PARTITIONS) for each in world.records(Topic.CLAIMS, p)]

    def late(stream: str) -> str | None:
        if not generations:
            generations.append(other.begin(stream) or "")
            other.fill(generations[0], {r.key or b"": r.value for r in records})
            other.finish(generations[0])
        return begin(stream)

    service.claims.begin = late  # type: ignore[method-assign]
    world.feed_harsh(100, seed=2)
    service.run_until_processed()
    assert service.claims.holders([])[0] == generations[0]
    world.assert_exact()


def test_a_rebuild_of_claims_that_is_superseded_begins_again(world: World) -> None:
    world.feed_harsh(100, seed=1)
    service = world.service()
    service.run_until_processed()
    flush(world)
    fill, failures = service.claims.fill, [CacheUnavailable("away"), ClaimsNotReady("superseded")]

    def failing(generation: str, claims: Mapping[bytes, bytes | None]) -> None:
        if failures:
            raise failures.pop()
        fill(generation, claims)

    service.claims.fill = failing  # type: ignore[method-assign]
    world.feed_harsh(100, seed=2)
    service.run_until_processed()
    assert failures == []
    world.assert_exact()
