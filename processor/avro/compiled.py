"""The compiled codec: present schemas in their canonical form, everything else left to fastavro."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from processor.core.cart import SoundCart
from processor.core.json_text import is_json_text
from processor.core.session import CartItem, Session
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
    Codec: Callable[[Any, Any, Any, Any], Compiled]
    """Takes what makes an update and a session of their values, a cart's type, and who judges
    whether a text is JSON."""

    def unpack(self, packed: bytes, /) -> list[CartItem] | None:
        """Return the items of a cart's bytes."""


def compiled(module: Module) -> Compiled:
    """Return the module's codec, whose layout must be that of the present schemas."""

    class PackedCart(SoundCart):
        """Items as they stand in Avro: one block of an array, or none."""

        __slots__ = ()

        def unpacked(self) -> list[CartItem]:
            return module.unpack(self.packed) or []

    return module.Codec(
        # What `_make` does, less its count of the values.
        partial(tuple.__new__, SoundUpdate),
        partial(tuple.__new__, Session),
        PackedCart,
        is_json_text,
    )
