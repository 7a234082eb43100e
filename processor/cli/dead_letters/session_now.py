"""The session that a dead letter is about, as it is now."""

import json
from collections.abc import Mapping
from typing import Any

from processor.cli.common.documents import json_document
from processor.cli.sessions.cached import ask
from processor.config import Settings
from processor.errors import ProcessorError
from processor.ports.log import Record


def session_now(settings: Settings, letter: Record) -> Mapping[str, Any] | str | None:
    """Return the session's fields, None where there is none, or why it cannot be told."""
    key = letter.key
    if key is None or not _is_text(key):
        return "the letter has no key" if key is None else "the letter's key is not UTF-8"
    try:
        places, missing = ask(settings, key)
    except ProcessorError as error:
        return error.message
    if letter.partition in places or not (places or missing):
        return places.get(letter.partition)
    if letter.partition in missing:
        return f"the cache now lacks partition {letter.partition}"
    if places:
        others = ", ".join(map(str, sorted(places)))
        return f"partition {letter.partition} has none, partition {others} has one of this key"
    return None


def session_members(session: Mapping[str, Any] | str | None) -> Mapping[str, str]:
    """Return the members of a JSON object that tell the same."""
    if session is None or isinstance(session, str):
        return {"session": "null", "sessionUnknown": json.dumps(session, ensure_ascii=False)}
    return {"session": json_document(session), "sessionUnknown": "null"}


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
