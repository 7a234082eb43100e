"""The formats that updates may come in, by their names."""

from collections.abc import Iterable
from typing import Final, Literal

Format = Literal["avro", "json", "cloudevents"]

FORMATS: Final[tuple[Format, ...]] = ("avro", "json", "cloudevents")
AVRO_ALONE: Final = "avro"


def joined(formats: Iterable[str]) -> str:
    """Return formats as one text, as the setting and the commit metadata say them."""
    given = set(formats)
    return ",".join(each for each in FORMATS if each in given)


def split(text: str) -> frozenset[str]:
    """Return the formats that a text names."""
    return frozenset(text.split(","))
