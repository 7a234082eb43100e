"""What updates cost by their format, with either codec."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Final

from bench.figures import WARM_UP, Advance, Figures, Size, steady
from bench.folding import folded, put
from bench.lean import lean_documents
from bench.service import Place
from bench.throughput import of
from processor.avro.choice import MODULE
from processor.demo.catalogue import Document
from processor.demo.encoding import EncodeUpdate
from processor.demo.rejects import document_key
from processor.demo.traffic import DemoUpdate, Headers

Said = tuple[bytes, Headers]
FORMATS: Final = {
    "avro": "Avro",
    "json": "JSON",
    "binary": "CloudEvents, binary mode",
    "structured": "CloudEvents, structured mode",
}
"""What is measured, by its name in a figure, and how it is told."""

_ALL: Final = "avro,json,cloudevents"
_JSON = ("content-type", b"application/json")
_STRUCTURED = ("content-type", b"application/cloudevents+json")


def formats(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold the same updates in each format, with the compiled codec (where it is) and without."""
    figures: Figures = {}
    start = time.time_ns() // 1_000_000
    for name, say in _sayings().items():
        own = replace(place, name=f"{place.name}-{name}")
        put(own, _updates(say, size, start), size.updates, advance)
        for codec in ("compiled", "fastavro"):
            if codec == "compiled" and find_spec(MODULE) is None:
                continue
            with_it = own.again(codec, codec=codec, input_formats=_ALL)
            samples = folded(with_it, size.updates, advance)
            figures |= of(steady(samples, size.updates * WARM_UP), f"{name}.{codec}")
    return figures


def _updates(say: Callable[[Document], Said], size: Size, start: int) -> Iterator[DemoUpdate]:
    for update in lean_documents(size.updates, size.seed, start):
        value, headers = say(update)
        yield DemoUpdate(document_key(update), value, headers, update["eventTime"], None)


def _sayings() -> dict[str, Callable[[Document], Said]]:
    encode = EncodeUpdate()
    says: tuple[Callable[[Document], Said], ...] = (
        lambda update: (encode(update), ()),
        lambda update: (_text(_present(update)), (_JSON,)),
        _binary,
        _structured,
    )
    return dict(zip(FORMATS, says, strict=True))


def _present(record: Document) -> Document:
    """Return the fields that are not null, attributes as what their texts say."""
    found = {name: value for name, value in record.items() if value is not None}
    if "attributes" in found:
        found["attributes"] = {name: json.loads(text) for name, text in found["attributes"].items()}
    if "cartItems" in found:
        found["cartItems"] = [_present(each) for each in found["cartItems"]]
    return found


def _event(update: Document) -> tuple[dict[str, str], Document]:
    """Return an event's attributes, and its data: an update whose id and time are the event's."""
    data = _present(update)
    moment = datetime.fromtimestamp(data.pop("eventTime") / 1000, UTC)
    attributes = {
        "specversion": "1.0",
        "id": data.pop("eventId"),
        "source": "/shop",
        "type": "com.example.session.updated",
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return attributes, data


def _binary(update: Document) -> Said:
    attributes, data = _event(update)
    named = ((f"ce_{name}", value.encode()) for name, value in attributes.items())
    return _text(data), (_JSON, *named)


def _structured(update: Document) -> Said:
    attributes, data = _event(update)
    return _text({**attributes, "data": data}), (_STRUCTURED,)


def _text(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
