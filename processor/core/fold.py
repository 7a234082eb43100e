"""The fold: one update into the state of its session. Rules 4 to 7 and 9 of the contract."""

from collections.abc import Mapping
from typing import TypeVar

from processor.core.memory import event_hash, remember, remembers
from processor.core.outcome import Accepted, Duplicate, Outcome, Reason, Rejected
from processor.core.session import Session, profile_key, session_key
from processor.core.transitions import INITIAL, may_follow
from processor.core.update import SessionUpdate

Value = TypeVar("Value")


def fold(session: Session | None, update: SessionUpdate, holder: str | None) -> Outcome:
    """Return what becomes of a validated update.

    `session` is the state before it, None when there is none. `holder` is the key of the session
    that holds the claim on the profile that the update names, None when nobody does or it names
    none.
    """
    event = event_hash(update.event_id)
    if session is None:
        if update.state is not None and update.state != INITIAL:
            return Rejected(
                Reason.UNKNOWN_SESSION, f"no such session, and the update names {update.state}"
            )
        return _accept(_unborn(update), update, event, holder)
    if remembers(session.memory, event):
        return Duplicate()
    if update.state is not None and not may_follow(session.state, update.state):
        return Rejected(
            Reason.TRANSITION_NOT_ALLOWED, f"{update.state} cannot follow {session.state}"
        )
    if session.state != INITIAL and update.changes_fields:
        return Rejected(
            Reason.SESSION_NOT_OPEN, f"the session is {session.state} and the update has fields"
        )
    return _accept(session, update, event, holder)


def _unborn(update: SessionUpdate) -> Session:
    """Return the state before the first update: version 0, empty and anonymous."""
    return Session(
        integration_id=update.integration_id,
        created=update.event_time,
        application_id=update.application_id,
        profile_id="",
        coupon="",
        referral="",
        state=INITIAL,
        cart_items=(),
        identifiers=(),
        total=0.0,
        attributes={},
        first_session=True,
        discounts={},
        previous_state=None,
        version=0,
        updated=update.event_time,
        last_event_id="",
        input_offset=-1,
        memory=b"",
    )


def _accept(before: Session, update: SessionUpdate, event: bytes, holder: str | None) -> Accepted:
    first, claim = _first_session(before, update, holder)
    after = Session(
        before.integration_id,
        before.created,
        before.application_id,
        before.profile_id if update.profile_id is None else update.profile_id,
        before.coupon if update.coupon is None else update.coupon,
        before.referral if update.referral is None else update.referral,
        before.state if update.state is None else update.state,  # type: ignore[arg-type]  # may_follow let only a State through
        before.cart_items if update.cart_items is None else update.cart_items,
        before.identifiers if update.identifiers is None else update.identifiers,
        before.total if update.total is None else update.total,
        merge(before.attributes, update.attributes),
        first,
        merge(before.discounts, update.discounts),
        before.state if before.version else None,
        before.version + 1,
        update.event_time,
        update.event_id,
        update.offset,
        remember(before.memory, event),
    )
    return Accepted(after, claim)


def _first_session(
    before: Session, update: SessionUpdate, holder: str | None
) -> tuple[bool, str | None]:
    """Return whether this is its profile's first session, and the claim to take for it."""
    profile = update.profile_id
    if profile is None or (profile == before.profile_id and before.version):
        return before.first_session, None
    if not profile:
        return True, None
    claim = profile_key(before.application_id, profile)
    if holder is None:
        return True, claim
    own = holder == session_key(before.application_id, before.integration_id)
    return own, claim if own else None


def merge(
    before: Mapping[str, Value], change: Mapping[str, Value | None] | None
) -> Mapping[str, Value]:
    """Return the map with the change's keys replaced, and those removed whose value is None."""
    if not change:
        return before
    if None not in change.values():
        return {**before, **change}  # type: ignore[dict-item]  # not one of them is None
    after = dict(before)
    for key, value in change.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value
    return after
