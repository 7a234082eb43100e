"""Schemas that refer to others: fetched from the registry, and made one text."""

from collections.abc import Callable
from typing import Final

from processor.avro.definition import SchemaError
from processor.avro.references import whole
from processor.errors import Forbidden
from processor.ports.registry import AVRO, Reference, Registered, SchemaText

_MOST: Final = 32
"""Schemas that one may refer to, all told: each is a question, and a loop waits for the answers."""

_Place = tuple[str, int]
Version = Callable[[str, int], SchemaText | None]
"""Returns a version of a subject, None where there is none."""


class ReferenceAbsent(SchemaError):  # noqa: N818  what was found
    """A schema refers to one that the registry does not have, as yet."""


def whole_text(version: Version, found: SchemaText | Registered) -> str:
    """Return the schema's text, with what it refers to defined in place.

    Raises SchemaError where that cannot be had, and what `version` raises, but for Forbidden.
    """
    if found.kind != AVRO or not found.references:
        return found.text
    others: dict[_Place, str] = {}
    _fetch(version, found.references, (), others)
    return whole(found.text, others.values())


def _fetch(
    version: Version,
    references: tuple[Reference, ...],
    inside: tuple[_Place, ...],
    others: dict[_Place, str],
) -> None:
    """Add the texts that are referred to, and those that these refer to."""
    for each in references:
        place = each.subject, each.version
        if place in inside:
            told = " to ".join(f"{one} version {number}" for one, number in (*inside, place))
            raise SchemaError(f"its references lead back to where they came from: {told}")
        if place in others:
            continue
        if len(others) >= _MOST:
            raise SchemaError(f"it refers to more than {_MOST} schemas")
        where = f"{each.name}, version {each.version} of {each.subject}"
        try:
            schema = version(*place)
        except Forbidden:
            raise SchemaError(f"it refers to {where}, which this user may not read") from None
        if schema is None:
            raise ReferenceAbsent(f"it refers to {where}, which the registry does not have")
        if schema.kind != AVRO:
            raise SchemaError(f"it refers to {where}, which is {schema.kind} and not Avro")
        others[place] = schema.text
        _fetch(version, schema.references, (*inside, place), others)
