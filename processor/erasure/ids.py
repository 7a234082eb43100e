"""The ids that an erasure is about, as they are or hashed."""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from processor.core.session import is_key
from processor.errors import InputError

_HASH_BYTES: Final = 16
_FEW: Final = 16
"""To look for each of more texts takes longer than to read a value."""


class Ids(NamedTuple):
    """Keys of sessions, keys of profiles (`{applicationId}:{profileId}`), and identifiers."""

    sessions: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    identifiers: frozenset[str] = frozenset()

    def with_sessions(self, more: Iterable[str]) -> "Ids":
        """Return these and further sessions."""
        return self._replace(sessions=self.sessions.union(more))

    def hashed(self, salt: str) -> "Ids":
        """Return their hashes."""
        return Ids(*(frozenset(hash_of(salt, each) for each in kind) for kind in self))


def asked_ids(sessions: Iterable[str], profiles: Iterable[str], identifiers: Iterable[str]) -> Ids:
    """Return the ids that somebody gave. Raises InputError for what can be no id."""
    asked = Ids(
        frozenset(_key("session", each) for each in sessions),
        frozenset(_key("profile", each) for each in profiles),
        frozenset(identifiers),
    )
    if "" in asked.identifiers:
        raise InputError("an identifier is empty", hint="nothing was changed")
    if not any(asked):
        raise InputError(
            "it is not said what is to be erased",
            hint="give --session 1:cart-17, --profile 1:ann, --identifier X or --from-file",
        )
    for kind in asked:
        for each in kind:
            if each.encode(errors="ignore").decode() != each:
                raise InputError("an id is not UTF-8", hint="nothing was changed")
    return asked


def _key(kind: str, text: str) -> str:
    if not is_key(text):
        raise InputError(
            f"{text!r} is no {kind}: it has the form APPLICATION:ID",
            hint="for example 1:cart-17; the application is a number from 1. Nothing was changed",
        )
    return text


def application_of(key: str) -> int:
    """Return the application of a session's or a profile's key."""
    return int(key.partition(":")[0])


def hash_of(salt: str, name: str) -> str:
    """Return what stands for an id once it is not to be read any more."""
    return blake2b(name.encode(), key=salt.encode(), digest_size=_HASH_BYTES).hexdigest()


class Sought:
    """Tells whether an id is one of those that are looked for."""

    def __init__(self, ids: Ids, salt: str = "") -> None:
        """Take hashes, with the salt that they were made with, or else ids as they are."""
        self._ids = ids
        self._salt = salt
        texts = {
            *(each.partition(":")[2] for each in ids.sessions | ids.profiles),
            *ids.identifiers,
        }
        self._texts: Collection[bytes] = () if salt else [each.encode() for each in texts]

    def session(self, key: str) -> bool:
        """Whether it is the key of such a session."""
        return self._as_kept(key) in self._ids.sessions

    def profile(self, key: str) -> bool:
        """Whether it is the key of such a profile."""
        return self._as_kept(key) in self._ids.profiles

    def identifier(self, text: str) -> bool:
        """Whether it is such an identifier."""
        return self._as_kept(text) in self._ids.identifiers

    def may_be_in(self, value: bytes) -> bool:
        """Whether a value must be read to tell: Avro has a text's bytes as they are."""
        if not self._ids.profiles and not self._ids.identifiers:
            return False
        return bool(self._salt) or len(self._texts) > _FEW or self.stands_in(value)

    def stands_in(self, value: bytes) -> bool:
        """Whether bytes that cannot be read hold one; never where only hashes are known."""
        return any(each in value for each in self._texts)

    def _as_kept(self, name: str) -> str:
        return hash_of(self._salt, name) if self._salt else name
