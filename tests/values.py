"""Values of the domain for tests: plain ones to vary, and strategies for any."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_type_hints

from hypothesis import strategies as st

from processor.core.memory import event_hash
from processor.core.outcome import Accepted
from processor.core.session import CartItem, Session
from processor.core.update import MERGED, REPLACED, SessionUpdate

STATES = ("open", "closed", "cancelled")
NOON = 1_700_000_000_000
OPTIONAL = ("weight", "height", "width", "length", "position")

_PLAIN_UPDATE = SessionUpdate("e-1", NOON, 7, "visit", offset=40)
_PLAIN_SESSION = Session(
    integration_id="visit",
    created=NOON,
    application_id=7,
    cart_items=[],
    identifiers=[],
    version=1,
    updated=NOON,
    last_event_id="e-0",
    input_offset=39,
    event_memory=event_hash("e-0"),
)


def an_update(**changes: Any) -> SessionUpdate:
    """Return a valid update that names no field, with these changes."""
    return _PLAIN_UPDATE._replace(**changes)


def a_session(**changes: Any) -> Session:
    """Return an open, anonymous session that has accepted `e-0`, with these changes."""
    return _PLAIN_SESSION._replace(**changes)


def an_item(**changes: Any) -> CartItem:
    """Return a cart line with every field, as decode makes it, with these changes."""
    fields = {"name": "Mug", "sku": "mug", "quantity": 1, "price": 9.5}
    absent = dict.fromkeys(("category", *OPTIONAL, "attributes"))
    return cast("CartItem", {**fields, **absent, **changes})


def accepted(outcome: object) -> Session:
    """Return the session of an outcome that must be Accepted."""
    assert isinstance(outcome, Accepted), outcome
    return outcome.session


texts = st.text(st.characters(codec="utf-8"), max_size=8)
states_or_none = st.none() | st.sampled_from(STATES)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
doubles = st.floats(allow_nan=False, allow_infinity=False)
json_texts = st.sampled_from(['"a"', "1", "1e999", "null", "[]", '{"a":[1,2]}', '"\\ud800"', " 0 "])
items = st.builds(
    an_item,
    name=texts,
    sku=names,
    quantity=st.integers(1, 2**31 - 1),
    price=st.floats(-1e100, 1e100),
    category=st.none() | texts,
    attributes=st.none() | st.dictionaries(texts, json_texts, max_size=2),
    **{measure: st.none() | doubles for measure in OPTIONAL},
)


_ANY: dict[Any, st.SearchStrategy[Any]] = {
    str | None: texts,
    float | None: doubles,
    Sequence[str] | None: st.lists(texts, max_size=3),
    Sequence[CartItem] | None: st.lists(items, max_size=3),
    Mapping[str, str | None] | None: st.dictionaries(texts, st.none() | json_texts, max_size=3),
    Mapping[str, float | None] | None: st.dictionaries(texts, st.none() | doubles, max_size=3),
}
"""By the type of a field, what it may hold besides None."""

_FIELDS = {
    name: st.none() | _ANY[get_type_hints(SessionUpdate)[name]] for name in (*REPLACED, *MERGED)
}


def updates(
    event_ids: st.SearchStrategy[str] = names,
    profiles: st.SearchStrategy[str] = texts,
    states: st.SearchStrategy[str | None] = states_or_none,
) -> st.SearchStrategy[SessionUpdate]:
    """Return valid updates of one session, or of any where the ids are any."""
    return st.builds(
        an_update,
        event_id=event_ids,
        event_time=st.integers(0, 253_402_300_799_999),
        state=states,
        offset=st.integers(0, 2**63 - 1),
        **{**_FIELDS, "profile_id": st.none() | profiles},
    )
