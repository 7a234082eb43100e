"""An in-memory server, with knobs for what a real one does to us.

It keeps the same names as the real layout, so a test may delete a key by its name.
"""

from collections.abc import Mapping
from itertools import count

from processor.ports.sessions import CacheUnavailable

Fields = Mapping[bytes, bytes | None]


class FakeServer:
    """Hashes by name; a string is a hash with one field of empty name.

    `available` False makes every call raise CacheUnavailable. `refuse` does so for that many calls.
    `policy` is the eviction policy that it tells.
    """

    def __init__(self) -> None:
        self.available = True
        self.refuse = 0
        self.calls = 0
        self.policy: str | None = "noeviction"
        self.run_id = 1
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.lease: str | None = None
        self._names = count(1)
        self._undo: list[tuple[str, dict[bytes, bytes] | None, Fields]] = []

    def flush(self) -> None:
        """Lose everything and say nothing, as FLUSHALL does."""
        self.hashes.clear()
        self.lease = None
        self._undo.clear()

    def restart(self) -> None:
        """Come back with the same data under another run_id."""
        self.run_id += 1

    def delete(self, name: str) -> None:
        """Lose one key."""
        self.hashes.pop(name, None)

    def lose_last_write(self) -> None:
        """Forget what the last call that wrote has changed, as a failover to a replica may."""
        for name, whole, fields in reversed(self._undo):
            if whole is not None:
                self.hashes[name] = whole
                continue
            _apply(self.hashes.setdefault(name, {}), fields)
            if not self.hashes[name]:
                del self.hashes[name]
        self._undo.clear()

    def expire_lease(self) -> None:
        """Let the time of the lease pass."""
        self.lease = None

    def fresh_name(self) -> str:
        """Return a generation's name that never was."""
        return f"generation-{next(self._names)}"

    def called(self) -> None:
        """Open every call of a port: it may fail here."""
        self.calls += 1
        if self.refuse:
            self.refuse -= 1
            raise CacheUnavailable("the fake server refuses")
        if not self.available:
            raise CacheUnavailable("the fake server is away")

    def forget_undo(self) -> None:
        """Open every call that writes: only the last such call can be lost."""
        self._undo.clear()

    def put(self, name: str, fields: Fields) -> None:
        """Set and delete (None) fields."""
        stored = self.hashes.setdefault(name, {})
        self._undo.append((name, None, {field: stored.get(field) for field in fields}))
        _apply(stored, fields)

    def unlink(self, name: str) -> None:
        """Delete a key in a call that writes."""
        if (whole := self.hashes.pop(name, None)) is not None:
            self._undo.append((name, whole, {}))

    def field(self, name: str, field: bytes = b"") -> bytes | None:
        """Return one field, None where it or the key is absent."""
        return self.hashes.get(name, {}).get(field)

    def text(self, name: str, field: bytes = b"") -> str:
        """Return one field as a text, empty where it is absent."""
        return (self.field(name, field) or b"").decode()


def _apply(stored: dict[bytes, bytes], fields: Fields) -> None:
    for field, value in fields.items():
        if value is None:
            stored.pop(field, None)
        else:
            stored[field] = value
