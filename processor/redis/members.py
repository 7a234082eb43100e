"""What processes announce of themselves, on a server."""

import json
from typing import Final

from processor.ports.members import Member
from processor.redis import scripts
from processor.redis.connection import Call, Server
from processor.redis.keys import Keys

_TRIES: Final = 5
"""Others change the list too, each a few times a minute."""


class RedisMembers:
    """The Members of a prefix.

    Each process has a key that expires by the server's own clock, and one list has their names,
    which expires with the last of them.
    """

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    def announce(self, member: Member, lease: int) -> None:
        """Say that a process is there for so many milliseconds."""
        text = json.dumps({"url": member.url, "host": member.host})
        keys = [self._keys.members(), self._keys.member(member.process)]
        for _ in range(_TRIES):
            former, there = self._standing()
            names = "\n".join(sorted({*there, member.process}))
            call = Call(keys, [former, names, text, lease])
            if self._server.run(scripts.ANNOUNCE, [call])[0]:
                return

    def withdraw(self, process: str) -> None:
        """Say that a process is there no more; the list forgets it at the next announcement."""
        self._server.ask(("UNLINK", self._keys.member(process)))

    def announced(self) -> list[Member]:
        """Return the processes that are there; what is none of ours under their keys is not."""
        return [member for member in map(_member, self._standing()[1].items()) if member]

    def _standing(self) -> tuple[bytes, dict[str, bytes]]:
        """Return the list as it is, and what each process on it has announced."""
        (former,) = self._server.ask(("GET", self._keys.members()))
        names = (former or b"").decode(errors="replace").split()
        if not names:
            return former or b"", {}
        texts = self._server.ask(*(("GET", self._keys.member(each)) for each in names))
        return former or b"", {n: text for n, text in zip(names, texts, strict=True) if text}


def _member(entry: tuple[str, bytes]) -> Member | None:
    process, text = entry
    try:
        told = json.loads(text)
        return Member(process, str(told["url"]), str(told["host"]))
    except (ValueError, TypeError, KeyError):
        return None
