"""`firstSession`: true for an anonymous session and for the first of its profile."""

import pytest
from values import a_session, an_update

from processor.core.fold import fold
from processor.core.outcome import Accepted
from processor.core.session import Session

OWN, OTHER = "7:visit", "7:another"


def first_and_claim(
    session: Session | None, profile: str | None, holder: str | None
) -> tuple[bool, str | None]:
    outcome = fold(session, an_update(profile_id=profile), holder)
    assert isinstance(outcome, Accepted)
    return outcome.session.first_session, outcome.claim


@pytest.mark.parametrize("session", [None, a_session(profile_id="")])
@pytest.mark.parametrize(
    ("profile", "holder", "expected"),
    [
        (None, None, (True, None)),
        ("", None, (True, None)),
        ("p", None, (True, "7:p")),
        ("p", OWN, (True, "7:p")),
        ("p", OTHER, (False, None)),
    ],
)
def test_an_anonymous_session_is_first_unless_another_holds_the_profile(
    session: Session | None,
    profile: str | None,
    holder: str | None,
    expected: tuple[bool, str | None],
) -> None:
    assert first_and_claim(session, profile, holder) == expected


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("profile", [None, "p"])
@pytest.mark.parametrize("holder", [None, OWN, OTHER])
def test_it_stays_decided_while_the_profile_stays(
    first: bool,  # noqa: FBT001
    profile: str | None,
    holder: str | None,
) -> None:
    session = a_session(profile_id="p", first_session=first)
    assert first_and_claim(session, profile, holder) == (first, None)


def test_another_profile_decides_anew() -> None:
    second = a_session(profile_id="p", first_session=False)
    assert first_and_claim(second, "q", None) == (True, "7:q")
    first = a_session(profile_id="p", first_session=True)
    assert first_and_claim(first, "q", OTHER) == (False, None)


def test_a_session_that_becomes_anonymous_is_first() -> None:
    assert first_and_claim(a_session(profile_id="p", first_session=False), "", None) == (True, None)


def test_a_session_that_returns_to_its_profile_still_holds_the_claim() -> None:
    assert first_and_claim(a_session(profile_id=""), "p", OWN) == (True, "7:p")
