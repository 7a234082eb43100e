"""The claims of profiles on a server."""

from collections.abc import Iterable, Mapping
from itertools import chain
from secrets import token_hex
from typing import Any, Final, cast

from processor.errors import Forbidden
from processor.ports.claims import ClaimsFenced, ClaimsNotReady, ClaimsPending, Place
from processor.ports.sessions import CacheUnavailable
from processor.redis import claim_scripts as scripts
from processor.redis.connection import Call, Server
from processor.redis.keys import Keys
from processor.redis.links import Argument
from processor.redis.scripts import Script

_RACES: Final = 5
_REASONS: Final = {
    "absent": "there are no claims",
    "superseded": "the claims are being, or were, rebuilt under another generation",
    "restarted": "the server is not the one that the claims were made on",
    "building": "the claims are being rebuilt",
    "finished": "the generation was finished before",
}


class RedisClaims:
    """Claims. Every script compares the generation, its state and the server's `run_id`.

    A generation is a random name: one that was lost never stands again. The name under which this
    object builds is its own, so that it may begin again within its lease.
    """

    def __init__(self, server: Server, keys: Keys, *, lease: float = 10.0) -> None:
        self._server = server
        self._keys = keys
        self._lease = int(lease * 1000)
        self._token = token_hex(8)
        self._generation = ""

    def holders(self, profiles: Iterable[str]) -> tuple[str, dict[str, str]]:
        """Return the generation, and the holder of each of the profiles that has one."""
        profiles = list(profiles)
        held = self._ask_current(scripts.HOLDERS, profiles)
        return self._generation, _held(profiles, held)

    def own(self, partition: int, offset: int) -> str:
        """Return a token under which its holder alone claims for an input partition."""
        token = token_hex(8)
        self._ask_current(scripts.OWN, [partition, offset, token])
        return token

    def take(
        self, generation: str, claims: Mapping[str, str], owners: Mapping[int, str]
    ) -> dict[str, str]:
        """Claim profiles for sessions, the first to claim keeps; return every holder after it."""
        arguments = [len(owners), *_flat(owners), *_flat(claims)]
        return _held(claims, _success(self._run(scripts.TAKE, generation, arguments)))

    def give_up(
        self, generation: str, session: str, place: Place, profiles: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Leave profiles without an owner, if all are the session's or ownerless already."""
        arguments: list[Argument] = [1, place.partition, place.token, place.offset, session]
        for profile, holder in profiles.items():
            arguments += [profile, int(holder is None)]
        held = self._run(scripts.GIVE_UP, generation, arguments)
        if held == b"pending":
            raise ClaimsPending("another record is about to end a claim that this one ends")
        return _held(profiles, _success(held))

    def finish_removals(self, partition: int, offset: int) -> None:
        """Remove the claims that were noted by a partition's records below an offset."""
        try:
            self._ask_current(scripts.FINISH_REMOVALS, [partition, offset])
        except ClaimsNotReady:
            return

    def is_current(self, generation: str) -> bool:
        """Whether the generation is current, ready, and on the server it was made on."""
        return isinstance(self._run(scripts.STREAM, generation, ()), list)

    def begin(self, stream: str) -> str | None:
        """Flip to a fresh generation that is not ready; None where another process was first."""
        for _ in range(_RACES):
            former, fresh = self._current(), token_hex(8)
            names = [self._keys.claims(), self._keys.building(), self._keys.holders(fresh)]
            if former:
                names.append(self._keys.holders(former))
            call = Call(names, [self._token, self._lease, former, fresh, stream])
            (answer,) = self._server.run(scripts.BEGIN_CLAIMS, [call])
            if answer == b"begun":
                return fresh
            if answer in {b"leased", b"ready"}:
                return None
            if answer == b"nameless":
                raise Forbidden("Redis does not tell its run_id, without which no claim is safe")
        raise CacheUnavailable("others keep changing the claims")

    def fill(self, generation: str, claims: Mapping[bytes, bytes | None]) -> None:
        """Record claims of the topic; a later one of the same profile replaces an earlier."""
        removed = [profile for profile, holder in claims.items() if holder is None]
        held = {profile: holder for profile, holder in claims.items() if holder is not None}
        arguments: list[Argument] = [self._token, self._lease, len(removed), *removed, *_flat(held)]
        _success(self._run(scripts.FILL, generation, arguments, self._keys.building()))

    def finish(self, generation: str) -> None:
        """Make the generation ready."""
        _success(self._run(scripts.FINISH, generation, [self._token], self._keys.building()))

    def stream(self) -> str | None:
        """Return the stream that the ready generation was made of, None where none is ready."""
        try:
            (stream,) = self._ask_current(scripts.STREAM, ())
        except ClaimsNotReady:
            return None
        return cast("bytes", stream).decode()

    def _ask_current(self, script: Script, arguments: Iterable[Argument]) -> list[Any]:
        """Ask under the generation known last; where another stands, learn it and ask again."""
        arguments = list(arguments)
        answer = self._run(script, self._generation, arguments)
        if answer == b"superseded":
            self._generation = self._current()
            answer = self._run(script, self._generation, arguments)
        return _success(answer)

    def _run(
        self, script: Script, generation: str, arguments: Iterable[Argument], *more: str
    ) -> Any:
        names = [self._keys.claims(), self._keys.holders(generation), *more]
        return self._server.run(script, [Call(names, [generation, *arguments])])[0]

    def _current(self) -> str:
        """Return the current generation, empty where there is none."""
        (generation,) = self._server.ask(("HGET", self._keys.claims(), "generation"))
        return (generation or b"").decode(errors="replace")


def _flat(pairs: Mapping[Any, Argument]) -> list[Argument]:
    return list(chain.from_iterable(pairs.items()))


def _held(profiles: Iterable[str], answer: Iterable[bytes | None]) -> dict[str, str]:
    """Return the holder of each of the profiles that has one."""
    return {
        profile: holder.decode()
        for profile, holder in zip(profiles, answer, strict=True)
        if holder is not None
    }


def _success(answer: Any) -> list[Any]:
    if isinstance(answer, list):
        return answer
    reason, *partitions = ["absent"] if answer is None else answer.decode().split()
    if reason == "fenced":
        raise ClaimsFenced(frozenset(map(int, partitions)))
    raise ClaimsNotReady(_REASONS[reason])
