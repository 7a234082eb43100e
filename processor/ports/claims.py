"""Who holds which profile: what the fold's `firstSession` needs from Redis.

Claims are the one thing that is written before the commit. They stand under a generation that is
bound to the server's `run_id`: a restarted or replaced server has lost them, since a write that was
acknowledged may be gone. A profile key is `{applicationId}:{profileId}`, a holder is the key of a
session. Raises `CacheUnavailable` as the session cache does.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol


class ClaimsNotReady(Exception):  # noqa: N818  a state
    """No claim can be decided now: they are absent, lost, being rebuilt, or of another stream."""


class ClaimsPending(Exception):  # noqa: N818  a state
    """A claim is about to be ended by a record of another partition: what ends it too, waits."""


class ClaimsFenced(Exception):  # noqa: N818  a state
    """Whoever asks is not noted as the owner of these input partitions: they are to be taken anew.

    Another process has taken them over, or the claims were rebuilt since they were.
    """

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"partitions {sorted(partitions)} are not noted as owned by this process")
        self.partitions = partitions


class Place(NamedTuple):
    """A record of the input, and the token under which its partition is owned."""

    partition: int
    offset: int
    token: str


class Claims(Protocol):
    """The claims of all profiles. One thread calls it."""

    def holders(self, profiles: Iterable[str]) -> tuple[str, dict[str, str]]:
        """Return the generation, and the holder of each of the profiles that has one.

        Raises ClaimsNotReady.
        """

    def own(self, partition: int, offset: int) -> str:
        """Return a token under which its holder alone claims for an input partition.

        Whoever had one before is fenced, what it asked for and what arrives late too. The caller
        has committed `offset`, and looks afterwards whether nobody else has committed since: else
        it is the one that is late. Removals below the offset are finished. The token is good as
        long as the generation stands. Raises ClaimsNotReady where none does, be it unfinished.
        """

    def take(
        self, generation: str, claims: Mapping[str, str], owners: Mapping[int, str]
    ) -> dict[str, str]:
        """Claim profiles for sessions, the first to claim keeps; return every holder after it.

        `owners` has the token of each input partition that has claims. All or nothing under one
        generation; to repeat it is safe. Raises ClaimsFenced, and ClaimsNotReady where the
        generation is not the current one, or not ready.
        """

    def is_current(self, generation: str) -> bool:
        """Whether the generation is current, ready, and on the server it was made on."""

    def give_up(
        self, generation: str, session: str, place: Place, profiles: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Leave profiles without an owner, where they are the session's or ownerless already.

        All or none of them. Return every holder after it: all are "" where it was done. That the
        record at `place` ends them is noted; those that are None in `profiles` are to be removed.
        To repeat it is safe. Raises what `take` raises, and ClaimsPending where a record of another
        partition is noted: of two that end a claim, the one whose removal is finished last would
        win in Redis, and the one sent last in the topic.
        """

    def finish_removals(self, partition: int, offset: int) -> None:
        """Finish what was noted by an input partition's records below an offset.

        A claim that was to be removed goes, unless it has an owner again. Does nothing
        where no generation is ready: what is committed is in the topic, and a rebuild reads that.
        """

    def begin(self, stream: str) -> str | None:
        """Flip to a fresh generation that is not ready, and return it.

        `stream` names cluster and topic; it is recorded. None where another process is at such
        work and has shown life within the lease (10 s), or has done it: a ready generation of this
        stream, made on this server, would be flipped for nothing. Ask `stream`, then again.
        """

    def fill(self, generation: str, claims: Mapping[bytes, bytes | None]) -> None:
        """Record claims of the topic; a later one of the same profile replaces an earlier.

        Profiles and holders are UTF-8. None removes one; an empty holder is nobody.

        Renews the lease. Raises ClaimsNotReady where the generation was superseded or lost.
        """

    def finish(self, generation: str) -> None:
        """Make the generation ready. Raises ClaimsNotReady as `fill` does."""

    def stream(self) -> str | None:
        """Return the stream that the ready generation was made of, None where none is ready."""
