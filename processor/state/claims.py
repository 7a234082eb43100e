"""Claims in Redis: brought to what their topic says, after Redis lost them.

Generators, as in `processor.partitions.takeover`: True is progress, False is waiting.
"""

from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from processor.ports.claims import Claims
from processor.ports.log import Coordination, Record, Scan, Topic
from processor.state.checkpoint import Stream
from processor.state.ends import INPUT_OFFSET


class ClaimsSource(NamedTuple):
    """A claims topic, read to its ends."""

    scan: Scan
    ends: Mapping[int, int]


def claims_stream(stream: Stream, inherited: ClaimsSource | None = None) -> str:
    """Return what the claims of a stream are known by: with more inherited, others stand."""
    own = f"{stream.cluster}/{stream.claims}"
    return own if inherited is None else f"{own}+{sum(inherited.ends.values())}"


def rebuild_claims(
    stream: Stream,
    claims: Claims,
    coordination: Coordination,
    scan: Scan,
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
        yield from _fill_claims(claims, generation, inherited, _inherited)
    yield from _fill_claims(claims, generation, ClaimsSource(scan, ends), _own)
    claims.finish(generation)


def inherited_by(profile: str) -> str:
    """Return the name beside a profile's under which it is told when its live claim was taken."""
    return f"inherited:{profile}"


def as_of(offset: int, session: str, holders: Mapping[str, str]) -> dict[str, str]:
    """Return the holders as of a session's record, without the claims that it takes later.

    In a replay they are there from the beginning, so that all is decided as live has decided it.
    What ends the session before, does not end them.
    """
    later = set()
    for profile, holder in holders.items():
        taken_at, _, taken_by = holders.get(inherited_by(profile), "").partition(" ")
        if holder == taken_by == session and int(taken_at) > offset:
            later.add(profile)
    return {profile: holder for profile, holder in holders.items() if profile not in later}


def _fill_claims(
    claims: Claims,
    generation: str,
    source: ClaimsSource,
    told: Callable[[Record], Mapping[str, str | None]],
) -> Generator[bool, None, None]:
    for partition, end in source.ends.items():
        for records in source.scan.read(Topic.CLAIMS, partition, 0, end):
            filled: dict[str, str | None] = {}
            for record in records:
                filled |= told(record) if record.key else {}
            claims.fill(generation, filled)
            yield bool(records)


def _own(record: Record) -> dict[str, str | None]:
    holder = None if record.value is None else record.value.decode()
    return {(record.key or b"").decode(): holder}


def _inherited(record: Record) -> dict[str, str | None]:
    told = _own(record)
    ((profile, holder),) = told.items()
    taken_at = dict(record.headers).get(INPUT_OFFSET)
    known = None if taken_at is None else f"{taken_at.decode()} {holder}"
    return {**told, inherited_by(profile): known}
