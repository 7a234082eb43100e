"""Updates in Avro said in the other formats, as producers of each would: shares no code with them.

What Avro says and JSON cannot (a number that is not finite, space around an attribute's text) stays
Avro, as does what is no update.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any

from oracle import Document, Rejection, decode_update, is_command
from oracle import Entry as AnyEntry
from oracle_json import is_json

from processor.demo.traffic import DemoUpdate

ALL = "avro,json,cloudevents"
Headers = tuple[tuple[str, bytes | None], ...]


class Unsayable(Exception):  # noqa: N818
    """JSON has no text for the value."""


def _json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise Unsayable from None


def _texts(texts: Mapping[str, str | None], *, merged: bool) -> str:
    for text in texts.values():
        if text is not None and (not is_json(text) or text.strip(" \t\n\r") != text):
            raise Unsayable
        if merged and text == "null":
            raise Unsayable
    return _object({name: text or "null" for name, text in texts.items()})


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_json(name)}: {text}" for name, text in texts.items()) + "}"


def as_json(update: Document) -> str:
    """Return an update's fields as JSON, null and absent ones left out. Raises Unsayable."""
    texts = {}
    for name, value in update.items():
        if value is None:
            continue
        if name == "attributes":
            texts[name] = _texts(value, merged=True)
        elif name == "cartItems":
            texts[name] = "[" + ",".join(map(_item, value)) + "]"
        else:
            texts[name] = _json(value)
    return _object(texts)


def _item(item: Document) -> str:
    texts = {name: _json(value) for name, value in item.items() if name != "attributes"}
    if item["attributes"] is not None:
        texts["attributes"] = _texts(item["attributes"], merged=False)
    return _object(texts)


def _plain(update: Document, random: Random) -> tuple[bytes, Headers]:
    typed = random.random() < 0.5
    text = as_json(update).encode()
    return text, (("content-type", b"application/json; charset=utf-8"),) if typed else ()


def _without_identity(update: Document, random: Random) -> tuple[Document, str | None, str | None]:
    """Return the update and its event's id and time; either says them, or both do."""
    at = update["eventTime"]
    if not 0 <= at < 4_000_000_000_000 or random.random() < 0.3:
        return update, random.choice((update["eventId"], None)), None
    seconds, part = divmod(at, 1000)
    days, second = divmod(seconds, 86_400)
    hour, second = divmod(second, 3_600)
    date = _date(days)
    digits = f"{part:03}" + "9" * random.randrange(7)
    time = f"{date}T{hour:02}:{second // 60:02}:{second % 60:02}.{digits}Z"
    return {**update, "eventId": None, "eventTime": None}, update["eventId"], time


def _date(days: int) -> str:
    year, left = 1970, days
    while left >= (length := 366 if _leap(year) else 365):
        year, left = year + 1, left - length
    months = [31, 29 if _leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    month = 1
    for length in months:
        if left < length:
            break
        month, left = month + 1, left - length
    return f"{year}-{month:02}-{left + 1:02}"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _binary(update: Document, random: Random) -> tuple[bytes, Headers]:
    said, identity, time = _without_identity(update, random)
    event = {"specversion": "1.0", "id": identity, "source": "/shop", "type": "cart", "time": time}
    headers = tuple((f"ce_{n}", held.encode()) for n, held in event.items() if held is not None)
    return as_json(said).encode(), headers


def _structured(update: Document, random: Random) -> tuple[bytes, Headers]:
    said, identity, time = _without_identity(update, random)
    event = {"specversion": "1.0", "id": identity, "source": "/shop", "type": "cart", "time": time}
    texts = {name: _json(value) for name, value in event.items()}
    text = _object({**texts, "data": as_json(said)})
    return text.encode(), (("content-type", b"application/cloudevents+json"),)


def _damaged(update: Document, random: Random) -> tuple[bytes, Headers]:
    """Return JSON in which a byte is another, or absent."""
    value, headers = _plain(update, random)
    at = random.randrange(1, len(value))
    other = bytes([random.choice((*b'{}[]":,\\0e-', 0, 0xFF))])
    return value[:at] + (other if random.random() < 0.7 else b"") + value[at + 1 :], headers


_WAYS: tuple[Callable[[Document, Random], tuple[bytes, Headers]], ...] = (
    *(_plain, _plain, _binary, _binary, _structured, _structured),
    _damaged,
)


def mixed(stream: Iterable[DemoUpdate], seed: int) -> Iterator[DemoUpdate]:
    """Yield the stream, most of its updates in one of the other formats."""
    random = Random(seed)
    for each in stream:
        if random.random() < 0.2 or is_command(AnyEntry(0, 0, each.key, each.value)):
            yield each
            continue
        try:
            value, headers = random.choice(_WAYS)(decode_update(each.value), random)
        except (Rejection, Unsayable):
            yield each
        else:
            yield each._replace(value=value, headers=(*each.headers, *headers))
