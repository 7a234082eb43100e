"""A former owner that goes on after a pause: it may not claim for the partition any more."""

from collections.abc import Callable, Mapping

import pytest
from fakes.redis import FakeClaims
from fakes.service import Service, World, partition_of
from golden import encoded, update
from runtime.test_commands import OTHER, THEIRS, claims, feed, versions
from session_commands import erase

from processor.ports.claims import Place
from processor.ports.log import Topic

KEY = b"1:cart-19"
MINE = partition_of(KEY)
ADA = encoded(update(1, "cart-19", profileId="ada"))


class Paused(FakeClaims):
    """Claims before one call of which the process stands still, and others go on."""

    def __init__(self, world: World, method: str) -> None:
        super().__init__(world.server, world.keys)
        self.meanwhile: Callable[[], None] | None = None
        self.over = False
        target = getattr(self, method)

        def paused(*args: object) -> object:
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
                self.over = True
            return target(*args)

        setattr(self, method, paused)


def two(world: World, method: str) -> tuple[Service, Service, Paused]:
    """Return the owner of one of the sessions, that of the other one, and the first one's claims.

    The first one's membership ends unseen by itself, as a session timeout has it.
    """
    paused = Paused(world, method)
    one, other = world.service(claims=paused), world.service()
    one.run_until_processed()
    while not (MINE in one.pipeline.owned and THEIRS in other.pipeline.owned):
        one.turn()
        other.turn()
    return one, other, paused


def taken_over(world: World, one: Service, other: Service) -> None:
    world.broker.group.leave(one.subscription.member)
    other.run_until_processed()
    assert MINE in other.pipeline.owned


def end_of(world: World, partition: int) -> int:
    return world.broker.extent(Topic.UPDATES, partition).end


@pytest.mark.parametrize("others_claim", [False, True])
def test_a_claim_that_was_erased_meanwhile_is_not_taken_again(
    world: World, *, others_claim: bool
) -> None:
    """It was the session's own, or another session's while the update was processed."""
    one, other, paused = two(world, "take")
    holder = OTHER if others_claim else KEY

    def erased() -> None:
        if others_claim:
            feed(world, encoded(update(1, "cart-18", profileId="ada")), key=OTHER)
            end = end_of(world, THEIRS)
            other.run_until(lambda: world.broker.committed[THEIRS].offset >= end)
        taken_over(world, one, other)
        assert claims(world) == {"1:ada": holder}
        feed(world, erase(holder, forget=("ada",)), key=holder)
        other.run_until_processed()
        assert claims(world) == {}

    paused.meanwhile = erased
    feed(world, ADA, key=KEY)
    one.run_until(lambda: paused.over)
    assert claims(world) == {}
    world.assert_exact()
    # Nobody is in the way of the next one, and the first one is of use again.
    feed(world, encoded(update(2, "cart-14", profileId="ada")), key=b"1:cart-14")
    other.subscription.close()
    one.run_until_processed()
    assert claims(world) == {"1:ada": b"1:cart-14"}
    world.assert_exact()


def test_a_claim_of_a_later_life_is_not_given_up(world: World) -> None:
    one, other, paused = two(world, "give_up")
    feed(world, ADA, key=KEY)
    one.run_until_processed()

    def begun_again() -> None:
        feed(world, encoded(update(2, "cart-19", profileId="ada")), key=KEY)
        taken_over(world, one, other)
        assert claims(world) == {"1:ada": KEY}

    paused.meanwhile = begun_again
    feed(world, erase(KEY, forget=("ada",)), key=KEY)
    one.run_until(lambda: paused.over)
    assert claims(world) == {"1:ada": KEY}
    assert versions(world, KEY) == [1, 0, 1]
    world.assert_exact()


def test_an_owner_that_is_late_to_say_so_does_not_own(world: World) -> None:
    """It had committed as the owner; then another did, and said so beside the claims."""
    one, other, paused = two(world, "own")
    paused.meanwhile = lambda: taken_over(world, one, other)
    one._runner._assignment.restart([MINE])
    one.run_until(lambda: paused.over)
    assert MINE not in one.pipeline.owned
    # The owner was fenced by that, and takes the partition anew.
    feed(world, ADA, key=KEY)
    other.run_until_processed()
    assert claims(world) == {"1:ada": KEY}
    world.assert_exact()


def test_owners_are_noted_anew_where_claims_were_rebuilt(world: World) -> None:
    service = world.service()
    service.run_until_processed()
    world.server.restart()
    service.run_until(lambda: service.claims.stream() is not None)
    for number, key in ((1, KEY), (2, OTHER)):
        visit = key.decode().partition(":")[2]
        feed(world, encoded(update(number, visit, profileId=f"p{number}")), key=key)
    service.run_until_processed()
    assert claims(world) == {"1:p1": KEY, "1:p2": OTHER}
    world.assert_exact()


def test_an_erase_that_waits_holds_up_its_partition_alone(world: World) -> None:
    feed(world, ADA, key=KEY)
    service = world.service()
    service.run_until_processed()
    rival, generation = FakeClaims(world.server, world.keys), service.claims.holders([])[0]
    ended: Mapping[str, str | None] = {"1:ada": None}
    rival.give_up(generation, KEY.decode(), Place(99, 5, rival.own(99, 5)), ended)
    feed(world, erase(KEY, forget=("ada",)), encoded(update(2, "cart-19")), key=KEY)
    feed(world, encoded(update(1, "cart-18")), key=OTHER)
    assert MINE < THEIRS  # its records come first
    end = end_of(world, THEIRS)
    service.run_until(lambda: world.broker.committed[THEIRS].offset >= end)
    assert (versions(world, KEY), versions(world, OTHER)) == ([1], [1])
    service.run_until(lambda: world.clock.now > 60)
    assert versions(world, KEY) == [1]
    rival.finish_removals(99, 6)
    service.run_until_processed()
    assert (versions(world, KEY), versions(world, OTHER)) == ([1, 0, 1], [1])
