"""A session and an end as JSON, as all of these examples write them."""

import json
from datetime import UTC


def session_json(session):
    """The document, then what the processor adds: one JSON text. `created` is a datetime."""
    fields = {name: value for name, value in session.items() if name != "eventMemory"}
    return obj(fields, field)


def obj(fields, text):
    return (
        "{" + ", ".join(f"{json.dumps(name)}: {text(fields[name], name)}" for name in fields) + "}"
    )


def field(value, name):
    if name in ("created", "updated"):
        time = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return json.dumps(time.replace("+00:00", "Z"))
    if name == "cartItems":
        return "[" + ", ".join(map(item, value)) + "]"
    if name == "attributes":  # JSON texts, put in as they stand: to parse them would change 1e999
        return obj(value, lambda text, _: text.replace("\n", " ").replace("\r", " "))
    return json.dumps(value)


def item(fields):
    return obj({name: fields[name] for name in fields if fields[name] is not None}, field)


def end_json(record):
    """A record without a value: the session has ended, and its next one counts from 1 again."""
    headers = dict(record.headers() or [])
    by, version = (headers.get("session-processor." + name) for name in ("ended-by", "version"))
    return json.dumps(
        {
            "key": (record.key() or b"").decode(errors="replace"),
            "endedBy": by and by.decode(errors="replace"),
            "version": version and int(version),
        }
    )
