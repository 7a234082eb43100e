"""Whether a peer does the job: what it publishes beside what the session processor does."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from bench.lean import lean_updates
from bench.peers.measure import Progress, launch
from bench.peers.output import Letters, Snapshots, letters, snapshots
from bench.peers.roster import Peer
from bench.service import Place
from bench.waiting import wait
from processor.demo.catalogue import BLANK, item
from processor.demo.encoding import EncodeUpdate
from processor.demo.traffic import DemoUpdate

NOT_COMPARED = ("eventMemory", "firstSession")
"""Each peer hashes as it likes, and none keeps profile claims."""

_PATIENCE_S = 120.0
_SESSIONS = 200
_encode = EncodeUpdate()
_STORIES: tuple[Mapping[str, Any], ...] = (
    {"cartItems": [item("Boot", "SKU-1", 0.1)] * 3, "attributes": {"a": "1", "b": '"x"'}},
    {"attributes": {"a": None, "c": "true"}, "discounts": {"d": 1.5, "e": 2.0}},
    {"total": 12.5, "coupon": "SPRING", "identifiers": ["one", "two"]},
    {"discounts": {"d": None}, "profileId": "", "referral": "r"},
    {"state": "closed", "cartItems": []},
    {"coupon": "late"},  # rejected: the session is closed
    {"state": "closed"},  # no transition
    {"state": "open"},  # rejected
    {"state": "cancelled"},
    {"state": "closed"},  # rejected
)


def sample() -> list[DemoUpdate]:
    """Return lean traffic with repeats, sessions that try every rule of the fold, and no Avro."""
    lean = list(lean_updates(5_000, seed=7))
    found = [each for at, update in enumerate(lean) for each in _twice(update, at)]
    return [*found, *_stories(), *_undecodable(lean[0])]


def _undecodable(sound: DemoUpdate) -> Iterator[DemoUpdate]:
    value = sound.value or b""
    for broken in (b"junk", b"\xc3\x01" + bytes(20), value[:-3], None):
        yield sound._replace(value=broken)


def _twice(update: DemoUpdate, at: int) -> list[DemoUpdate]:
    return [update, update] if at % 7 == 0 else [update]


def _stories() -> Iterator[DemoUpdate]:
    for step, change in enumerate(_STORIES):
        for session in range(_SESSIONS):
            yield _update(f"story-{session}", step, change)
    yield _update("unknown", 0, {"state": "closed"})


def _update(name: str, step: int, change: Mapping[str, Any]) -> DemoUpdate:
    document = {
        "eventId": f"{step}-{name}",
        "eventTime": 1_717_200_000_000 + step,
        "applicationId": 2,
        "integrationId": name,
        **BLANK,
        **change,
    }
    return DemoUpdate(f"2:{name}".encode(), _encode(document), (), document["eventTime"], None)


class Output(NamedTuple):
    """What came out of one peer; of a snapshot what can be compared."""

    snapshots: Snapshots
    letters: Letters


def output(peer: Peer, place: Place, count: int) -> Output:
    """Return what the peer published, once it is through `count` updates."""
    place.create_topics()
    with launch(peer, place) as program, Progress(place) as progress:
        if not wait(lambda: progress.events() >= count, _PATIENCE_S, program.check):
            raise TimeoutError(f"{peer.title} is late with the sample")
    found = snapshots(place)
    for each in chain.from_iterable(found.values()):
        for name in NOT_COMPARED:
            del each[name]
    return Output(found, letters(place))


def compare(ours: Peer, others: Iterable[Peer], place: Place, count: int) -> bool:
    """Run each on the place's input, print what differs from ours; tell whether nothing does."""
    expected = output(ours, place.again("check"), count)
    told = [sum(map(len, each.values())) for each in expected]
    same = True
    for peer in others:
        found = output(peer, place.again(f"check-{peer.name}"), count)
        wrong = difference(expected.snapshots, found.snapshots)
        wrong = wrong or letters_differ(expected.letters, found.letters)
        same = same and wrong is None
        print(f"{peer.title}: {wrong or f'the same {told[0]} snapshots, {told[1]} dead letters'}")
    return same


def letters_differ(ours: Letters, theirs: Letters) -> str | None:
    """Return the first difference, for people; None where there is none."""
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            return f"{key!r}: {ours.get(key)} of the processor, {theirs.get(key)} of the peer"
    return None


def difference(
    ours: Mapping[bytes, list[dict[str, Any]]], theirs: Mapping[bytes, list[dict[str, Any]]]
) -> str | None:
    """Return the first difference, for people; None where there is none."""
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key, []), theirs.get(key, [])
        if len(one) != len(other):
            return f"{key!r}: {len(one)} snapshots of the processor, {len(other)} of the peer"
        for place, (mine, its) in enumerate(zip(one, other, strict=True), 1):
            fields = [name for name in mine if mine[name] != its[name]]
            if fields:
                at = fields[0]
                return f"{key!r}, snapshot {place}, {at}: {mine[at]!r} and {its[at]!r}"
    return None
