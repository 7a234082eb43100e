"""Claims in Redis: brought to what their topic says, after Redis lost them.

Generators, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Final, NamedTuple

from processor.ports.claims import Claims
from processor.ports.latest import LatestScan
from processor.ports.log import Coordination, Topic
from processor.state.checkpoint import Stream

_INHERITED: Final = "inherited:"


class ClaimsSource(NamedTuple):
    """A claims topic, read to its ends."""

    scan: LatestScan
    ends: Mapping[int, int]


def claims_stream(stream: Stream, inherited: ClaimsSource | None = None) -> str:
    """Return what the claims of a stream are known by: with more inherited, others stand."""
    own = f"{stream.cluster}/{stream.claims}"
    return own if inherited is None else f"{own}+{sum(inherited.ends.values())}"


def rebuild_claims(
    stream: Stream,
    claims: Claims,
    coordination: Coordination,
    scan: LatestScan,
    inherited: ClaimsSource | None = None,
) -> Generator[bool, None, None]:
    """Bring the claims in Redis to what their topic says (docs/adr/0004-profile-claims.md).

    In a replay the live claims are `inherited`, and its own come after them. The generation is
    flipped first; then each partition is read to its end as it was after that, open transactions
    waited out: an owner that flushed a claim before sees its generation stand, and its claim is
    below that end; one that flushes later sees it gone, and folds again.
    """
    name = claims_stream(stream, inherited)
    while (generation := claims.begin(name)) is None:
        yield False
        if claims.stream() == name:
            return
    ends = {
        partition: coordination.extent(Topic.CLAIMS, partition).end
        for partition in range(coordination.partitions(Topic.CLAIMS))
    }
    if inherited is not None:
        yield from _fill_claims(claims, generation, inherited, _with_inherited)
    yield from _fill_claims(claims, generation, ClaimsSource(scan, ends))
    claims.finish(generation)


def inherited_by(profile: str) -> str:
    """Return the name beside a profile's under which the holder of its live claim is told."""
    return _INHERITED + profile


def left_to_end(session: str, holders: Mapping[str, str]) -> dict[str, str]:
    """Return the holders without the live claims that a replay's session has from its beginning.

    An erase ends none of these: live has folded it before, and the claim stands, so that a later
    life of the session has taken it.
    """
    return {
        profile: holder
        for profile, holder in holders.items()
        if not holder == holders.get(inherited_by(profile)) == session
    }


def _fill_claims(
    claims: Claims,
    generation: str,
    source: ClaimsSource,
    told: Callable[[dict[bytes, bytes | None]], dict[bytes, bytes | None]] = lambda found: found,
) -> Generator[bool, None, None]:
    for partition, end in source.ends.items():
        for found in source.scan.latest(Topic.CLAIMS, partition, 0, end):
            claims.fill(generation, told(found.values))
            yield found.end is not None


def _with_inherited(found: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
    """Return the claims, each also under the name by which a replay knows live's."""
    prefix = _INHERITED.encode()
    return {**found, **{prefix + profile: holder for profile, holder in found.items()}}
