"""Whether a peer does the job: its snapshots beside the session processor's, field by field."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from fastavro import schemaless_reader

from bench.peers.measure import Progress, start
from bench.peers.roster import Peer
from bench.service import Place
from processor.avro.schemas import load_schemas
from processor.demo.catalogue import BLANK, item
from processor.demo.encoding import Encode
from processor.demo.lean import lean_updates
from processor.demo.stream import Update

NOT_COMPARED = ("eventMemory", "firstSession")
"""Each peer hashes as it likes, and none keeps profile claims."""

_HEADER = 10
_PATIENCE_S = 120.0
_SESSIONS = 200
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


def sample() -> list[Update]:
    """Return lean traffic with repeats, and sessions that try every rule of the fold."""
    lean = list(lean_updates(5_000, seed=7))
    found = [each for at, update in enumerate(lean) for each in _twice(update, at)]
    return [*found, *_stories()]


def _twice(update: Update, at: int) -> list[Update]:
    return [update, update] if at % 7 == 0 else [update]


def _stories() -> Iterator[Update]:
    encode = Encode()
    for step, change in enumerate(_STORIES):
        for session in range(_SESSIONS):
            name = f"story-{session}"
            document = {
                "eventId": f"{step}-{session}",
                "eventTime": 1_717_200_000_000 + step,
                "applicationId": 2,
                "integrationId": name,
                **BLANK,
                **change,
            }
            yield Update(f"2:{name}".encode(), encode(document), (), document["eventTime"], None)


def output(peer: Peer, place: Place, count: int) -> Mapping[bytes, list[dict[str, Any]]]:
    """Return the peer's snapshots by key, once it is through `count` updates."""
    with start(peer, place) as program, Progress(place) as progress:
        deadline = time.monotonic() + _PATIENCE_S
        while progress.events() < count:
            program.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{peer.title} is late with the sample")
            time.sleep(0.1)
    return _read(place)


def _read(place: Place) -> Mapping[bytes, list[dict[str, Any]]]:
    schema = load_schemas().snapshots.reader.parsed
    consumer = Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": f"{place.name}-check",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found = defaultdict[bytes, list[dict[str, Any]]](list)
    topic = place.settings.sessions_topic
    ended = 0
    try:
        consumer.assign([TopicPartition(topic, each, 0) for each in range(place.partitions)])
        while ended < place.partitions:
            message = consumer.poll(30)
            if message is None:
                raise TimeoutError(f"the end of {topic} does not come")
            if message.error() is not None:
                ended += 1
                continue
            snapshot: Any = schemaless_reader(
                BytesIO((message.value() or b"")[_HEADER:]), schema, None
            )
            for name in NOT_COMPARED:
                del snapshot[name]
            found[message.key() or b""].append(snapshot)
    finally:
        consumer.close()
    return found


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
