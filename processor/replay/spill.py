"""What a replay must remember of each key, on disk: memory stays bounded at any number of keys."""

import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import Final

from processor.replay.exact import Seen

_CACHE_KIB: Final = 64 * 1024


def scratch() -> sqlite3.Connection:
    """Open an empty database that is gone once it is closed; past 64 MiB it lies on disk."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return database


class SpilledSeen(MutableMapping[bytes, Seen]):
    """A mapping from key to its last snapshot; to be closed."""

    def __init__(self) -> None:
        self._database = scratch()
        self._database.execute(
            "CREATE TABLE seen (key BLOB PRIMARY KEY, at INTEGER, version INTEGER) WITHOUT ROWID"
        )

    def __getitem__(self, key: bytes) -> Seen:
        """Return the key's last snapshot. Raises KeyError."""
        found = self._database.execute(
            "SELECT at, version FROM seen WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            raise KeyError(key)
        return Seen(*found)

    def __setitem__(self, key: bytes, seen: Seen) -> None:
        """Remember the key's last snapshot."""
        self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (key, *seen))

    def __delitem__(self, key: bytes) -> None:
        """Forget the key. Raises KeyError."""
        if self._database.execute("DELETE FROM seen WHERE key = ?", (key,)).rowcount == 0:
            raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the keys."""
        for (key,) in self._database.execute("SELECT key FROM seen"):
            yield key

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        found: tuple[int] = self._database.execute("SELECT count(*) FROM seen").fetchone()
        return found[0]

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()
