"""The names of everything that the processor keeps in Redis. `docs/contract.md` lists them.

Names in braces are literal: Redis Cluster puts equal ones into one slot, where one script may touch
them together. A layout of another version must choose names that no older one used, so that either
version, started on what the other left, rebuilds beside it.
"""

from typing import Final

LAYOUT: Final = 1
"""The version of the layout below."""

CHECKPOINT: Final = b""
"""The field of a generation's hash that holds its checkpoint; no record key is empty."""


class Keys:
    """The names under one prefix, which can stand in braces: the settings refuse any other."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def current(self, partition: int) -> str:
        """Name the string that names the partition's current generation."""
        return f"{{{self._prefix}:{partition}}}:current"

    def latest(self, partition: int) -> str:
        """Name the string that names the generation begun last, so that none is left behind."""
        return f"{{{self._prefix}:{partition}}}:latest"

    def sessions(self, partition: int, generation: str) -> str:
        """Name the hash from record key to snapshot; its field of empty name is the checkpoint."""
        return f"{{{self._prefix}:{partition}}}:sessions:{generation}"

    def claims(self) -> str:
        """Name the hash that describes the claims: generation, run_id, ready, stream."""
        return f"{{{self._prefix}:claims}}:current"

    def holders(self, generation: str) -> str:
        """Name the hash from profile to holder; its field of empty name says that it stands."""
        return f"{{{self._prefix}:claims}}:holders:{generation}"

    def building(self) -> str:
        """Name the lease of the process that rebuilds the claims."""
        return f"{{{self._prefix}:claims}}:building"

    def members(self) -> str:
        """Name the string that has the names of the processes that are there, a line for each."""
        return f"{{{self._prefix}:members}}:current"

    def member(self, process: str) -> str:
        """Name what a process announces of itself; it expires."""
        return f"{{{self._prefix}:members}}:process:{process}"

    def meta(self) -> str:
        """Name the hash of the layout's version and the partition count."""
        return f"{self._prefix}:meta"

    def schemas(self) -> str:
        """Name the hash from a schema's fingerprint or id to its JSON."""
        return f"{self._prefix}:schemas"
