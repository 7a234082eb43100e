"""The compiled codec: present schemas in their canonical form, everything else left to fastavro."""

from typing import Any, Protocol

from processor.core.cart import SoundCart
from processor.core.json_text import is_json_text
from processor.core.session import CartItem


class Module(Protocol):
    """What the distribution in `codec/` has; None from a function leaves the value to fastavro."""

    UPDATE: bytes
    SNAPSHOT: bytes

    def read_update(
        self, value: bytes, start: int, cart: Any, is_json: Any, /
    ) -> tuple[Any, ...] | None:
        """Return the 13 values of a SessionUpdate."""

    def read_snapshot(
        self, value: bytes, start: int, cart: Any, is_json: Any, /
    ) -> tuple[Any, ...] | None:
        """Return the 19 values of a CustomerSession."""

    def write_snapshot(self, session: tuple[Any, ...], header: bytes, cart: Any, /) -> bytes | None:
        """Return the header and the session's bytes."""

    def unpack(self, packed: bytes, /) -> list[CartItem] | None:
        """Return the items of a cart's bytes."""


class Compiled:
    """Reads and writes by the module, whose layout must be that of the present schemas."""

    def __init__(self, module: Module) -> None:
        class PackedCart(SoundCart):
            """Items as they stand in Avro: one block of an array, or none."""

            __slots__ = ()

            def unpacked(self) -> list[CartItem]:
                return module.unpack(self.packed) or []

        self._module = module
        self._cart = PackedCart

    def read_update(self, value: bytes, start: int) -> tuple[Any, ...] | None:
        """Return the values of the update from `start` on; None leaves it to fastavro."""
        return self._module.read_update(value, start, self._cart, is_json_text)

    def read_snapshot(self, value: bytes, start: int) -> tuple[Any, ...] | None:
        """Return the values of the snapshot from `start` on; None leaves it to fastavro."""
        return self._module.read_snapshot(value, start, self._cart, is_json_text)

    def write_snapshot(self, session: tuple[Any, ...], header: bytes) -> bytes | None:
        """Return the header and the snapshot; None leaves it to fastavro."""
        return self._module.write_snapshot(session, header, self._cart)
