"""A cart that nobody has looked into since it was read."""

from collections.abc import Iterator, Sequence
from typing import overload

from processor.core.session import CartItem


class SoundCart(Sequence[CartItem]):
    """Items that were found valid (rule 3) while they were read, and stay bytes until looked at.

    `packed` is the same for the same items. A subclass says how to unpack.
    """

    __slots__ = ("_count", "packed")

    def __init__(self, packed: bytes, count: int) -> None:
        self.packed = packed
        self._count = count

    def unpacked(self) -> list[CartItem]:
        """Return the items, made anew by each call."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return how many items there are, without unpacking them."""
        return self._count

    @overload
    def __getitem__(self, place: int) -> CartItem: ...
    @overload
    def __getitem__(self, place: slice) -> list[CartItem]: ...
    def __getitem__(self, place: int | slice) -> CartItem | list[CartItem]:
        """Unpack, then index."""
        return self.unpacked()[place]

    def __iter__(self) -> Iterator[CartItem]:
        """Unpack once, then iterate."""
        return iter(self.unpacked())

    def __eq__(self, other: object) -> bool:
        """Compare bytes with another packed cart, items with any other sequence."""
        if isinstance(other, SoundCart):
            return self.packed == other.packed
        return self.unpacked() == other

    def __hash__(self) -> int:
        """Return the bytes' hash."""
        return hash(self.packed)

    def __repr__(self) -> str:
        """Return the items, as a list shows them."""
        return repr(self.unpacked())
