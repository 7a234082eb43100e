"""The fold: rules 4 to 7 and 9, their order, and what an accepted update changes."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import STATES, a_session, accepted, an_item, an_update, updates

from processor.core.fold import fold, merge
from processor.core.memory import REMEMBERED, event_hash
from processor.core.outcome import Accepted, Duplicate, Outcome, Reason, Rejected
from processor.core.session import Session
from processor.core.update import MERGED, REPLACED, SessionUpdate

EMPTY_FIELDS: dict[str, Any] = {
    "profile_id": "",
    "coupon": "",
    "referral": "",
    "cart_items": [],
    "identifiers": [],
    "total": 0.0,
    "attributes": {},
    "discounts": {},
}
FIELDS: dict[str, Any] = {
    "profile_id": "p",
    "coupon": "SAVE",
    "referral": "friend",
    "cart_items": [an_item()],
    "identifiers": ["device"],
    "total": 9.5,
    "attributes": {"page": '"/cart"'},
    "discounts": {"SAVE": 1.5},
}


def reason(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.message
    return outcome.reason


def replay(session: Session | None, stream: list[SessionUpdate]) -> list[Outcome]:
    outcomes = []
    for update in stream:
        outcome = fold(session, update, None)
        outcomes.append(outcome)
        if isinstance(outcome, Accepted):
            session = outcome.session
    return outcomes


def test_rule_4_a_remembered_event_is_a_duplicate_whatever_else_it_says() -> None:
    for state in STATES:
        wrong = an_update(event_id="e-0", state="open", **FIELDS)
        assert fold(a_session(state=state), wrong, None) == Duplicate()


def test_rule_4_an_event_is_forgotten_after_16_others() -> None:
    stream = [an_update(event_id=f"e-{number}") for number in range(1, REMEMBERED)]
    last = replay(a_session(), stream)[-1]
    assert fold(accepted(last), an_update(event_id="e-0"), None) == Duplicate()
    over = replay(accepted(last), [an_update(event_id="one more")])[-1]
    assert accepted(fold(accepted(over), an_update(event_id="e-0"), None)).version == 18


def test_rule_4_a_rejected_update_is_not_remembered() -> None:
    closed = a_session(state="closed")
    assert reason(fold(closed, an_update(coupon="A"), None)) is Reason.SESSION_NOT_OPEN
    assert accepted(fold(closed, an_update(), None)).last_event_id == "e-1"


@pytest.mark.parametrize("state", ["closed", "cancelled"])
def test_rule_5_a_session_does_not_begin_closed_or_cancelled(state: str) -> None:
    assert reason(fold(None, an_update(state=state, **FIELDS), None)) is Reason.UNKNOWN_SESSION


@pytest.mark.parametrize("state", [None, "open"])
def test_rule_5_a_session_begins_open(state: str | None) -> None:
    after = accepted(fold(None, an_update(state=state), None))
    assert (after.state, after.previous_state, after.version) == ("open", None, 1)


def test_rule_6_comes_before_rule_7() -> None:
    outcome = fold(a_session(state="closed"), an_update(state="open", **FIELDS), None)
    assert reason(outcome) is Reason.TRANSITION_NOT_ALLOWED


@pytest.mark.parametrize("state", ["closed", "cancelled"])
@pytest.mark.parametrize("named", [None, "same", "cancelled"])
@pytest.mark.parametrize("field", [*EMPTY_FIELDS.items(), *FIELDS.items()], ids=str)
def test_rule_7_a_field_even_an_empty_one_needs_an_open_session(
    state: str, named: str | None, field: tuple[str, Any]
) -> None:
    update = an_update(state=state if named == "same" else named, **dict([field]))
    assert reason(fold(a_session(state=state), update, None)) is Reason.SESSION_NOT_OPEN


@pytest.mark.parametrize("state", ["closed", "cancelled"])
def test_rule_7_fields_may_come_with_the_state_that_ends_an_open_session(state: str) -> None:
    after = accepted(fold(a_session(), an_update(state=state, **FIELDS), None))
    assert (after.state, after.coupon, after.total) == (state, "SAVE", 9.5)


def test_rule_9_an_update_that_changes_nothing_is_a_version() -> None:
    after = accepted(fold(a_session(), an_update(), None))
    assert after == a_session(
        previous_state="open",
        version=2,
        last_event_id="e-1",
        input_offset=40,
        event_memory=event_hash("e-0") + event_hash("e-1"),
    )


def test_every_field_but_the_state_is_replaced_or_merged() -> None:
    assert {*EMPTY_FIELDS} <= {*REPLACED, *MERGED}
    assert sorted((*REPLACED, *MERGED)) == sorted(
        {*SessionUpdate._fields}
        & {*Session._fields} - {"application_id", "integration_id", "state"}
    )


def test_a_first_update_makes_the_session() -> None:
    update = an_update(**FIELDS)
    assert fold(None, update, None) == Accepted(
        Session(
            integration_id="visit",
            created=update.event_time,
            application_id=7,
            **FIELDS,
            state="open",
            first_session=True,
            previous_state=None,
            version=1,
            updated=update.event_time,
            last_event_id="e-1",
            input_offset=40,
            event_memory=event_hash("e-1"),
        ),
        claim="7:p",
    )


def test_an_empty_field_clears_but_an_empty_map_changes_nothing() -> None:
    full = accepted(fold(None, an_update(**FIELDS), None))
    after = accepted(fold(full, an_update(event_id="e-2", **EMPTY_FIELDS), None))
    assert (after.profile_id, after.coupon, after.referral, after.total) == ("", "", "", 0.0)
    assert (after.cart_items, after.identifiers) == ([], [])
    assert (after.attributes, after.discounts) == (FIELDS["attributes"], FIELDS["discounts"])


def test_a_null_value_removes_its_key() -> None:
    assert merge({"a": "1", "b": "2"}, {"a": None, "c": "3", "d": None}) == {"b": "2", "c": "3"}


maps = st.dictionaries(st.sampled_from("abcd"), st.integers())


@given(maps, st.none() | st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers()))
def test_a_merge_leaves_the_map_before_as_it_was(
    before: dict[str, int], change: dict[str, int | None] | None
) -> None:
    kept = dict(before)
    expected = {
        key: value
        for key, value in {**before, **(change or {})}.items()
        if value is not None
    }  # fmt: skip
    assert merge(before, change) == expected
    assert before == kept


few_ids = st.integers(0, 30).map(str)


@given(st.lists(updates(event_ids=few_ids), max_size=40))
def test_a_history_keeps_what_holds_for_every_history(stream: list[SessionUpdate]) -> None:
    sessions = [o.session for o in replay(None, deepcopy(stream)) if isinstance(o, Accepted)]
    for version, session in enumerate(sessions, 1):
        assert session.version == version
        assert session.created == sessions[0].updated
        assert session.first_session
        assert len(session.event_memory) == 8 * min(version, REMEMBERED)
        assert session.event_memory.endswith(event_hash(session.last_event_id))
    for before, after in pairwise(sessions):
        assert after.previous_state == before.state
        assert STATES.index(after.state) >= STATES.index(before.state)
        if before.state != "open":
            kept = ("integration_id", "created", "application_id", "first_session")
            for field in (*kept, *REPLACED, *MERGED):
                assert getattr(after, field) == getattr(before, field)


@given(st.lists(updates(event_ids=few_ids), min_size=1, max_size=20))
def test_the_fold_changes_none_of_its_arguments(stream: list[SessionUpdate]) -> None:
    outcomes, before = replay(None, stream), deepcopy(stream)
    kept = deepcopy(outcomes)
    replay(None, stream)
    assert (stream, outcomes) == (before, kept)


@given(updates(states=st.none() | st.just("open")))
def test_an_open_session_takes_every_field_that_is_present(update: SessionUpdate) -> None:
    before = a_session(coupon="OLD", cart_items=[an_item()], total=9.5, identifiers=["x"])
    after = accepted(fold(before, update._replace(event_id="new"), None))
    for field in REPLACED:
        present = getattr(update, field)
        assert getattr(after, field) == (getattr(before, field) if present is None else present)
