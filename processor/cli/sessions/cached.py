"""A session as Redis has it."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

from processor.cli.common.reach import answering
from processor.config import Settings
from processor.errors import NotFound, ProcessorError
from processor.ports.log import Record


def look_up(settings: Settings, key: str) -> Mapping[int, Mapping[str, Any]]:
    """Return the session's fields by partition, of which there is at least one."""
    places, absent = ask(settings, key)
    if not places:
        missing = ", ".join(map(str, sorted(absent)))
        raise NotFound(
            f"there is no session {key}"
            + (f" in the cache, which now lacks partitions {missing}" if missing else ""),
            hint="ask again when the service has restored them" if missing else "",
        )
    return places


def of_letter(settings: Settings, letter: Record) -> Mapping[str, Any] | str | None:
    """Return the session that a dead letter is about, None for none, or why it cannot be told."""
    key = letter.key
    if key is None or key.decode(errors="ignore").encode() != key:
        return "the letter has no key" if key is None else "the letter's key is not UTF-8"
    try:
        places, missing = ask(settings, key)
    except ProcessorError as error:
        return error.message
    if letter.partition in missing:
        return f"the cache now lacks partition {letter.partition}"
    if letter.partition in places or not places:
        return places.get(letter.partition)
    others = ", ".join(map(str, sorted(places)))
    return f"partition {letter.partition} has none, partition {others} has one of this key"


class Cached(NamedTuple):
    """What the cache has of a session, by partition, and the partitions that it lacks."""

    places: Mapping[int, Mapping[str, Any]]
    missing: frozenset[int]


def ask(settings: Settings, key: str | bytes) -> Cached:
    """Ask Redis for a session. Raises NotFound where nothing can be read at all."""
    from processor.reader import SessionReader, UnknownLayout, UnknownSchema
    from processor.redis.connection import Server

    try:
        with closing(Server.from_url(settings.redis_url)) as server, answering():
            reader = SessionReader(server, settings.redis_prefix)
            answer = reader.get(key)
            places = {found.partition: reader.decode(found.snapshot) for found in answer.found}
    except (UnknownLayout, UnknownSchema) as error:
        raise NotFound(
            f"no session can be read: {error}",
            hint="has the service run with this PROCESSOR_REDIS_URL and PROCESSOR_REDIS_PREFIX?",
        ) from error
    return Cached(places, answer.missing)
