"""What all claims do: the suite of the port `Claims`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.ports.claims import Claims, ClaimsFenced, ClaimsNotReady, ClaimsPending, Place
from processor.ports.sessions import CacheUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.backends import Backend

pytest_plugins = ["fakes.backends"]


def rebuilt(claims: Claims, of_topic: Mapping[str, str] | None = None) -> str:
    generation = claims.begin("stream 1")
    assert generation is not None
    of_topic = of_topic or {}
    claims.fill(generation, {each.encode(): of_topic[each].encode() for each in of_topic})
    claims.finish(generation)
    return generation


def test_nothing_is_decided_before_a_first_build(backend: Backend) -> None:
    claims = backend.claims()
    assert claims.stream() is None
    assert not claims.is_current("")
    with pytest.raises(ClaimsNotReady):
        claims.holders(["1:p"])
    with pytest.raises(ClaimsNotReady):
        claims.take("none", {"1:p": "1:a"}, {})


def test_holders_are_those_of_the_topic(backend: Backend) -> None:
    claims = backend.claims()
    generation = rebuilt(claims, {"1:p": "1:a", "1:ü": "1:é"})
    assert claims.holders(["1:p", "1:ü", "1:q"]) == (generation, {"1:p": "1:a", "1:ü": "1:é"})
    assert claims.holders([]) == (generation, {})
    assert claims.stream() == "stream 1"
    assert claims.is_current(generation)


def test_a_later_claim_of_the_topic_replaces_an_earlier(backend: Backend) -> None:
    claims = backend.claims()
    generation = claims.begin("stream 1")
    assert generation is not None
    claims.fill(generation, {b"1:p": b"1:a", b"1:q": b"1:a"})
    claims.fill(generation, {b"1:p": b"1:b"})
    claims.finish(generation)
    assert claims.holders(["1:p", "1:q"])[1] == {"1:p": "1:b", "1:q": "1:a"}


def test_what_the_topic_removed_has_no_holder_and_what_it_released_has_none_for_good(
    backend: Backend,
) -> None:
    claims = backend.claims()
    generation = claims.begin("stream 1")
    assert generation is not None
    claims.fill(generation, {b"1:p": b"1:a", b"1:q": b"1:a", b"1:r": b"1:a"})
    claims.fill(generation, {b"1:p": None, b"1:q": b"", b"1:s": None})
    claims.finish(generation)
    profiles = ["1:p", "1:q", "1:r", "1:s"]
    assert claims.holders(profiles)[1] == {"1:q": "", "1:r": "1:a"}
    took = claims.take(generation, dict.fromkeys(profiles, "1:b"), {})
    assert took == {"1:p": "1:b", "1:q": "", "1:r": "1:a", "1:s": "1:b"}


def test_a_claim_has_no_owner_until_its_removal_is_finished(backend: Backend) -> None:
    one, other = backend.claims(), backend.claims()
    generation = rebuilt(one, {"1:p": "1:a", "1:ü:x": "1:a", "1:r": "1:a"})
    ended = {"1:p": None, "1:ü:x": None, "1:r": ""}
    place = Place(12, 2**53 - 1, one.own(12, 0))
    for _ in range(2):
        assert one.give_up(generation, "1:a", place, ended) == dict.fromkeys(ended, "")
        assert other.take(generation, {"1:p": "1:b"}, {}) == {"1:p": ""}
    for partition, offset in ((12, 2**53 - 1), (1, 2**53), (2, 2**53)):
        one.finish_removals(partition, offset)
        one.own(partition, offset)
        assert other.holders(ended)[1] == dict.fromkeys(ended, "")
    other.finish_removals(12, 2**53)
    assert one.holders([*ended, "removals"])[1] == {"1:r": ""}
    assert other.take(generation, {"1:p": "1:b"}, {}) == {"1:p": "1:b"}
    one.finish_removals(12, 2**53)
    assert one.holders(ended)[1] == {"1:r": "", "1:p": "1:b"}


def test_a_claim_of_another_session_is_not_given_up(backend: Backend) -> None:
    claims = backend.claims()
    generation = rebuilt(claims, {"1:p": "1:a", "1:q": "1:b"})
    ended = {"1:p": None, "1:q": None, "1:r": None}
    place = Place(0, 7, claims.own(0, 7))
    assert claims.give_up(generation, "1:a", place, ended) == {"1:p": "1:a", "1:q": "1:b"}
    claims.finish_removals(0, 8)
    assert claims.holders(ended)[1] == {"1:p": "1:a", "1:q": "1:b"}


@pytest.mark.parametrize("first", [None, ""])
@pytest.mark.parametrize("then", [None, ""])
def test_records_of_two_partitions_end_a_claim_one_after_another(
    backend: Backend, first: str | None, then: str | None
) -> None:
    """So that the last one in the topic is the last one here, whichever that is."""
    one, other = backend.claims(), backend.claims()
    generation = rebuilt(one, {"1:p": "1:a", "1:q": "1:b"})
    token, others = one.own(0, 0), other.own(1, 0)
    assert one.give_up(generation, "1:a", Place(0, 5, token), {"1:p": first}) == {"1:p": ""}
    for _ in range(2):
        with pytest.raises(ClaimsPending):
            other.give_up(generation, "1:b", Place(1, 9, others), {"1:q": None, "1:p": then})
        assert other.holders(["1:q"])[1] == {"1:q": "1:b"}
    # A later record of the same partition comes after it anyway.
    assert one.give_up(generation, "1:c", Place(0, 6, token), {"1:p": first}) == {"1:p": ""}
    one.finish_removals(0, 7)
    held = other.give_up(generation, "1:b", Place(1, 9, others), {"1:p": then})
    assert held == ({} if first is None else {"1:p": ""})
    other.finish_removals(1, 10)
    ownerless = first == "" and then == ""
    assert other.holders(["1:p"])[1] == ({"1:p": ""} if ownerless else {})


def test_an_owner_that_starts_finishes_what_was_committed_as_removed(backend: Backend) -> None:
    claims = backend.claims()
    generation = rebuilt(claims, {"1:p": "1:a"})
    claims.give_up(generation, "1:a", Place(3, 7, claims.own(3, 7)), {"1:p": None})
    claims.own(3, 7)
    assert claims.holders(["1:p"])[1] == {"1:p": ""}
    claims.own(3, 8)
    assert claims.holders(["1:p"])[1] == {}


def test_who_owned_a_partition_before_neither_takes_nor_gives_up(backend: Backend) -> None:
    """Whatever it has in its hands: a call that it gave up may be carried out late, too."""
    one, other = backend.claims(), backend.claims()
    generation = rebuilt(one, {"1:p": "1:a"})
    former, kept = one.own(0, 5), one.own(1, 5)
    present = other.own(0, 5)
    wanted = {"1:q": "1:a", "1:r": "1:c"}
    for stale in (former, "", "never given"):
        with pytest.raises(ClaimsFenced) as fenced:
            one.take(generation, wanted, {1: kept, 0: stale, 2: stale})
        assert fenced.value.partitions == {0, 2}
        with pytest.raises(ClaimsFenced) as fenced:
            one.give_up(generation, "1:a", Place(0, 5, stale), {"1:p": None})
        assert fenced.value.partitions == {0}
    assert other.holders(["1:p", *wanted])[1] == {"1:p": "1:a"}
    assert one.take(generation, {"1:q": "1:a"}, {1: kept}) == {"1:q": "1:a"}
    assert other.take(generation, wanted, {0: present}) == wanted | {"1:q": "1:a"}
    # Its own late calls are fenced as well, once it has begun anew.
    again = other.own(0, 6)
    with pytest.raises(ClaimsFenced):
        other.take(generation, wanted, {0: present})
    assert other.give_up(generation, "1:a", Place(0, 6, again), {"1:p": ""}) == {"1:p": ""}


def test_an_owner_is_noted_while_claims_are_rebuilt_and_forgotten_with_them(
    backend: Backend,
) -> None:
    one, other = backend.claims(), backend.claims()
    with pytest.raises(ClaimsNotReady):
        one.own(0, 5)
    rebuilt(one)
    former = one.own(0, 5), other.own(1, 5)
    generation = one.begin("stream 2")
    assert generation is not None
    token = one.own(0, 5)
    one.finish(generation)
    with pytest.raises(ClaimsFenced) as fenced:
        one.take(generation, {"1:p": "1:a"}, dict(enumerate(former)))
    assert fenced.value.partitions == {0, 1}
    assert one.take(generation, {"1:p": "1:a"}, {0: token}) == {"1:p": "1:a"}
    backend.restart()
    with pytest.raises(ClaimsNotReady):
        one.own(0, 5)


def test_removals_are_of_their_generation(backend: Backend) -> None:
    claims = backend.claims()
    former = rebuilt(claims, {"1:p": "1:a"})
    place = Place(0, 5, claims.own(0, 5))
    claims.give_up(former, "1:a", place, {"1:p": None})
    generation = claims.begin("stream 2")
    assert generation is not None
    claims.finish_removals(0, 6)  # none is ready: it leaves that to the topic
    with pytest.raises(ClaimsNotReady):
        claims.give_up(former, "1:a", place, {"1:p": None})
    claims.fill(generation, {b"1:p": b"1:a"})
    claims.finish(generation)
    claims.finish_removals(0, 6)
    assert claims.holders(["1:p"])[1] == {"1:p": "1:a"}


def test_the_first_to_claim_keeps(backend: Backend) -> None:
    one, other = backend.claims(), backend.claims()
    generation = rebuilt(one)
    assert one.take(generation, {"1:p": "1:a"}, {}) == {"1:p": "1:a"}
    assert other.holders(["1:p"]) == (generation, {"1:p": "1:a"})
    claims = {"1:q": "1:b", "1:p": "1:b"}
    assert other.take(generation, claims, {}) == {"1:p": "1:a", "1:q": "1:b"}
    assert other.take(generation, claims, {}) == {"1:p": "1:a", "1:q": "1:b"}
    assert one.take(generation, {}, {}) == {}


def test_nothing_is_decided_while_claims_are_rebuilt(backend: Backend) -> None:
    claims = backend.claims()
    former = rebuilt(claims, {"1:p": "1:a"})
    generation = claims.begin("stream 2")
    assert generation is not None
    assert generation != former
    assert not claims.is_current(former)
    assert not claims.is_current(generation)
    assert claims.stream() is None
    with pytest.raises(ClaimsNotReady):
        claims.holders(["1:p"])
    for either in (former, generation):
        with pytest.raises(ClaimsNotReady):
            claims.take(either, {"1:p": "1:a"}, {})
    claims.finish(generation)
    assert claims.stream() == "stream 2"
    assert claims.holders(["1:p"]) == (generation, {})
    assert not backend.exists(backend.keys.holders(former))


def test_one_process_at_a_time_rebuilds(backend: Backend) -> None:
    one, other = backend.claims(), backend.claims()
    generation = one.begin("stream 1")
    assert generation is not None
    assert other.begin("stream 1") is None
    one.fill(generation, {})
    assert other.begin("stream 1") is None
    one.finish(generation)
    assert other.begin("stream 2") is not None


def test_what_another_process_has_rebuilt_is_not_rebuilt_again(backend: Backend) -> None:
    """Both saw the loss; the one that is later finds it mended, and no claim waits again."""
    one, other = backend.claims(), backend.claims()
    backend.restart()
    generation = rebuilt(one, {"1:p": "1:a"})
    assert other.begin("stream 1") is None
    assert other.stream() == "stream 1"
    assert one.is_current(generation)
    assert other.holders(["1:p"]) == (generation, {"1:p": "1:a"})


def test_what_is_ready_of_another_stream_is_begun_again(backend: Backend) -> None:
    one, other = backend.claims(), backend.claims()
    generation = rebuilt(one)
    assert other.begin("stream 2") is not None
    assert not one.is_current(generation)


def test_the_same_process_may_begin_again(backend: Backend) -> None:
    claims = backend.claims()
    abandoned = claims.begin("stream 1")
    assert abandoned is not None
    generation = rebuilt(claims)
    with pytest.raises(ClaimsNotReady):
        claims.fill(abandoned, {b"1:p": b"1:a"})
    with pytest.raises(ClaimsNotReady):
        claims.finish(abandoned)
    assert claims.is_current(generation)


def test_to_finish_twice_is_safe_and_to_fill_after_is_refused(backend: Backend) -> None:
    claims = backend.claims()
    generation = rebuilt(claims)
    claims.finish(generation)
    with pytest.raises(ClaimsNotReady):
        claims.fill(generation, {b"1:p": b"1:late"})
    assert claims.holders(["1:p"]) == (generation, {})


def lose_description(backend: Backend, generation: str) -> None:
    del generation
    backend.delete(backend.keys.claims())


def lose_holders(backend: Backend, generation: str) -> None:
    backend.delete(backend.keys.holders(generation))


def lose_everything(backend: Backend, generation: str) -> None:
    del generation
    backend.flush()


def restart(backend: Backend, generation: str) -> None:
    """A server that comes back may have lost what it acknowledged last."""
    del generation
    backend.restart()


@pytest.mark.parametrize(
    "lose", [lose_description, lose_holders, lose_everything, restart], ids=lambda f: f.__name__
)
def test_a_loss_is_seen_and_healed_by_a_rebuild(
    backend: Backend, lose: Callable[[Backend, str], None]
) -> None:
    claims = backend.claims()
    generation = rebuilt(claims, {"1:p": "1:a"})
    claims.take(generation, {"1:q": "1:lost"}, {})
    lose(backend, generation)
    assert not claims.is_current(generation)
    assert claims.stream() is None
    with pytest.raises(ClaimsNotReady):
        claims.holders(["1:p"])
    with pytest.raises(ClaimsNotReady):
        claims.take(generation, {"1:p": "1:b"}, {})
    fresh = rebuilt(claims, {"1:p": "1:a"})
    assert fresh != generation
    assert not claims.is_current(generation)
    assert claims.holders(["1:p", "1:q"]) == (fresh, {"1:p": "1:a"})


@pytest.mark.parametrize("lose", [lose_holders, lose_everything, restart], ids=lambda f: f.__name__)
def test_a_loss_while_it_is_filled_is_seen(
    backend: Backend, lose: Callable[[Backend, str], None]
) -> None:
    claims = backend.claims()
    generation = claims.begin("stream 1")
    assert generation is not None
    lose(backend, generation)
    with pytest.raises(ClaimsNotReady):
        claims.fill(generation, {b"1:p": b"1:a"})
    with pytest.raises(ClaimsNotReady):
        claims.finish(generation)


def test_a_server_that_is_away_is_unavailable(backend: Backend) -> None:
    claims = backend.claims()
    generation = rebuilt(claims)
    backend.go_away()
    with pytest.raises(CacheUnavailable):
        claims.holders(["1:p"])
    with pytest.raises(CacheUnavailable):
        claims.take(generation, {"1:p": "1:a"}, {})
    with pytest.raises(CacheUnavailable):
        claims.is_current(generation)
    with pytest.raises(CacheUnavailable):
        claims.begin("stream 1")
    with pytest.raises(CacheUnavailable):
        claims.stream()
    backend.come_back()
    assert rebuilt(claims) != generation
