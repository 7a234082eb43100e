"""A session's history, for people and for programs."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from processor.cli.common.documents import item_json, members, object_of, record_time, session_json
from processor.cli.common.session_view import page, state
from processor.cli.sessions.lives import OWN, Change, Step, fields_of
from processor.core.session import CartItem
from processor.ports.instants import iso_time
from processor.ports.log import Record
from processor.telemetry.visible import printable

_NONE: Final = "none"
_ABOVE: Final = frozenset({"integrationId", "applicationId", "created", "state"})
"""The fields that stand elsewhere."""


def step_json(step: Step, **more: object) -> str:
    """Return a step as one JSON object in one line, `more` behind its own members."""
    record, end = step.record, step.end
    told: dict[str, str] = {
        name: json.dumps(value)
        for name, value in {
            "kind": _kind(step),
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record_time(record.timestamp),
            "life": step.life,
            "begins": step.begins,
            "version": step.version,
            "missing": step.missing,
        }.items()
    }
    if step.session is not None:
        before, now = step.session.previous_state, step.session.state
        moved = before is not None and before != now
        told["transition"] = json.dumps([before, now] if moved else None)
        told["changed"] = "null" if step.changes is None else _changes_json(step.changes)
        told["session"] = session_json(fields_of(step.session))
    if end is not None:
        told["endedBy"] = json.dumps(end.command)
        told["inputOffset"] = json.dumps(end.input_offset)
        told["eventId"] = json.dumps(end.event_id, ensure_ascii=False)
    told |= {name: json.dumps(value) for name, value in more.items()}
    return object_of(told.items())


def step_lines(step: Step) -> Iterator[Text]:
    """Yield a step's lines: what is missing before it, what it is, and what it changed."""
    yield from _breaks(step)
    yield _headline(step)
    if step.session is None:
        return
    if step.changes is None:
        for name, value in fields_of(step.session).items():
            if value and name not in OWN and name not in _ABOVE:
                yield from _changed(name, type(value)(), value, held=True)
        return
    for name, change in step.changes.items():
        if name != "state":  # it stands in the line above
            yield from _changed(name, *change)


def as_of_lines(step: Step, following: Step | None) -> Iterator[object]:
    """Yield what a session was at a time: its last record until then, and what may be missing."""
    yield _headline(step)
    if step.session is not None:
        yield page(fields_of(step.session))
    why = doubt(step, following)
    if why:
        yield Text(f"not sure: {why}", style="yellow")


def doubt(step: Step, following: Step | None) -> str:
    """Return why a record may not be the last until a time, empty where it is, as far as known."""
    if following is None:
        return ""
    if following.missing is not None:
        return f"{_versions(following.missing)}, which compaction removed, may have come before"
    if following.begins and step.session is not None:
        return "its end, which is gone, may have come before"
    return ""


def when(record: Record) -> str:
    """Return the record's time, which is that of its update's record in the input."""
    return iso_time(record.timestamp) if record.timestamp >= 0 else "at no time"


def _kind(step: Step) -> str:
    if step.session is not None:
        return "snapshot"
    return "tombstone" if step.end is None else "end"


def _breaks(step: Step) -> Iterator[Text]:
    if step.begins and step.life > 1:
        gone = "" if step.after_end else "; there is no end of the one before"
        yield Text(f"a further life begins{gone}", style="yellow")
    if step.missing is not None:
        yield Text(f"{_versions(step.missing)} missing: removed by compaction", style="yellow")


def _versions(missing: tuple[int, int]) -> str:
    first, last = missing
    return f"version {first}" if first == last else f"versions {first} to {last}"


def _headline(step: Step) -> Text:
    record, session, end = step.record, step.session, step.end
    text = Text(when(record), style="dim", end="")
    text.append(f"  {record.partition}:{record.offset}  ", style="dim")
    if session is not None:
        text.append(f"v{session.version}  ", style="bold")
        text.append_text(state(fields_of(session)))
        event = f"  event {printable(session.last_event_id)} of {iso_time(session.updated)}"
        text.append(event, style="dim")
    elif end is not None:
        text.append(f"v{end.version}  ", style="bold")
        text.append(f"ended by {printable(end.command)}", style="red")
        text.append(f"  event {printable(end.event_id)}", style="dim")
    else:
        text.append("a tombstone that the processor did not write", style="red")
    return text


def _changed(name: str, old: Any, new: Any, *, held: bool = False) -> Iterator[Text]:
    match new:
        case Mapping():
            for each in (*old, *(one for one in new if one not in old)):
                if old.get(each) != new.get(each):
                    yield _line(f"{name} {each}", old.get(each), new.get(each), held=held)
        case list() | tuple() if name == "cartItems":
            yield from _cart(old, new)
        case _:
            yield _line(name, old, new, held=held)


def _line(name: str, old: object, new: object, *, held: bool) -> Text:
    told = _told(new) if held else f"{_told(old)} → {_told(new)}"
    return Text(f"    {printable(name)}: {printable(told)}")


def _told(value: object) -> str:
    match value:
        case None | "" | () | []:
            return _NONE
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.15g}"
        case list() | tuple():
            return ", ".join(map(str, value))
    return str(value)


def _cart(old: Sequence[CartItem], new: Sequence[CartItem]) -> Iterator[Text]:
    """Yield the items that are not in both carts, or else that they stand in another order."""
    gone, come = [*_without(old, new)], [*_without(new, old)]
    for sign, items in (("-", gone), ("+", come)):
        for item in items:
            yield Text(f"    cart {sign} {printable(_item(item))}")
    if not gone and not come:
        yield Text("    cart: the same items in another order")


def _without(items: Sequence[CartItem], others: Sequence[CartItem]) -> Iterator[CartItem]:
    left = Counter(map(item_json, others))
    for item in items:
        text = item_json(item)
        if not left[text]:
            yield item
        left[text] -= 1


def _item(item: CartItem) -> str:
    more = {
        name: value
        for name, value in item.items()
        if name not in {"name", "sku", "quantity", "price"} and value not in (None, {})
    }
    text = f"{item['quantity']} × {item['name']} ({item['sku']}) at {item['price']:.15g}"
    return f"{text} {item_json(more)}" if more else text


def _changes_json(changes: Mapping[str, Change]) -> str:
    old = dict(members({name: change[0] for name, change in changes.items()}))
    new = dict(members({name: change[1] for name, change in changes.items()}))
    told = ((name, object_of((("old", old[name]), ("new", new[name])))) for name in new)
    return object_of(told)
