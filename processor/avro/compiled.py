"""The compiled codec: present schemas in their canonical form, everything else left to fastavro."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from processor.core.json_text import is_json_text
from processor.core.session import Session
from processor.core.update import SoundUpdate


class Compiled(Protocol):
    """What reads and writes; None leaves the value to fastavro."""

    def read_update(self, value: bytes, start: int, offset: int, /) -> SoundUpdate | None:
        """Return the update, if it is sound, whose datum begins at `start`."""

    def read_snapshot(self, value: bytes, start: int, /) -> Session | None:
        """Return the session whose datum begins at `start`."""

    def write_snapshot(self, session: Session, header: bytes, /) -> bytes | None:
        """Return the header and the session's bytes."""


class Module(Protocol):
    """What the distribution in `codec/` has."""

    UPDATE: bytes
    SNAPSHOT: bytes
    Codec: Callable[[Any, Any, Any], Compiled]
    """Takes what makes an update and a session of their values, and who judges whether a text is
    JSON. The carts that it reads are sequences of items that stay bytes until looked at."""


def compiled(module: Module) -> Compiled:
    """Return the module's codec, whose layout must be that of the present schemas."""
    # What `_make` does, less its count of the values.
    return module.Codec(
        partial(tuple.__new__, SoundUpdate), partial(tuple.__new__, Session), is_json_text
    )
