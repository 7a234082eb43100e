"""The state machine, every pair of states."""

import pytest
from values import STATES, a_session, accepted, an_update

from processor.core.fold import fold
from processor.core.outcome import Reason, Rejected
from processor.core.session import INITIAL, SUCCESSORS, may_follow

ALLOWED = {
    ("open", "open"),
    ("open", "closed"),
    ("open", "cancelled"),
    ("closed", "closed"),
    ("closed", "cancelled"),
    ("cancelled", "cancelled"),
}


@pytest.mark.parametrize("named", STATES)
@pytest.mark.parametrize("current", STATES)
def test_a_state_follows_itself_and_what_the_table_says(current: str, named: str) -> None:
    allowed = (current, named) in ALLOWED
    outcome = fold(a_session(state=current), an_update(state=named), None)
    assert may_follow(current, named) is allowed  # type: ignore[arg-type]  # a State by construction
    if allowed:
        after = accepted(outcome)
        assert (after.previous_state, after.state) == (current, named)
    else:
        assert isinstance(outcome, Rejected)
        assert outcome.reason is Reason.TRANSITION_NOT_ALLOWED


def test_the_table_names_every_state_and_no_other() -> None:
    assert set(SUCCESSORS) == set(STATES)
    assert INITIAL == "open"


@pytest.mark.parametrize("state", STATES)
def test_an_update_that_names_no_state_leaves_it(state: str) -> None:
    after = accepted(fold(a_session(state=state), an_update(), None))
    assert (after.previous_state, after.state) == (state, state)
