"""Commands for tests, written apart from `processor/`."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

import fastavro
from oracle import COMMAND, COMMAND_FRAME, Rejection, decode_update

from processor.demo.traffic import DemoUpdate

ABSENT = dict.fromkeys(("inputOffset", "state", "forget", "release"))


def command(key: bytes, name: str, **fields: Any) -> bytes:
    """Return the value of a command to the session of this key."""
    application, _, integration = key.decode().partition(":")
    document = {
        "eventId": f"{name} of {integration}",
        "eventTime": 1_767_268_800_000,
        "applicationId": int(application),
        "integrationId": integration,
        "command": name,
        **ABSENT,
        **fields,
    }
    out = io.BytesIO(COMMAND_FRAME)
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, COMMAND, document)
    return out.getvalue()


def expire(key: bytes, offset: int, state: str = "open") -> bytes:
    """Return an expiry of the session as it stood after this input offset."""
    return command(key, "expire", inputOffset=offset, state=state)


def erase(key: bytes, *, forget: tuple[str, ...] = (), release: tuple[str, ...] = ()) -> bytes:
    """Return an erasure of the session and of what it claims."""
    return command(key, "erase", forget=list(forget), release=list(release))


_REMEMBERED = 100
"""How many sessions, of those that were updated last, commands go to."""


class _Known(NamedTuple):
    """What a command to a session can name: its last update's offset, a state, its profiles."""

    partition: int
    offset: int
    state: str
    profiles: tuple[str, ...]


def commanded(
    stream: Iterable[DemoUpdate], seed: int, share: float = 0.12, *, claiming: bool = False
) -> Iterator[DemoUpdate]:
    """Yield the updates with commands between them, to sessions that were updated before.

    With `claiming` erases go to sessions that name profiles, which most do not. Offsets are counted
    from 0 in each partition: of a log with markers most expiries come too late.
    """
    chance, ends, known = Random(seed), Counter[int](), dict[bytes, _Known]()
    for update in stream:
        partition = update.partition or 0
        _note(known, update, ends[partition])
        if len(known) > _REMEMBERED:
            del known[next(iter(known))]
        ends[partition] += 1
        yield update
        while known and chance.random() < share:
            key, expires = chance.choice([*known]), chance.random() < 0.5
            if claiming and not expires:
                key = chance.choice([each for each in known if known[each].profiles] or [key])
            partition = known[key].partition
            value = _expiry(key, known[key]) if expires else _erasure(key, known, chance)
            ends[partition] += 1
            yield DemoUpdate(key, value, (), update.timestamp, partition)


def _note(known: dict[bytes, _Known], update: DemoUpdate, offset: int) -> None:
    try:
        fields = decode_update(update.value)
    except Rejection:
        return
    key = update.key or b""
    former = known.get(key)
    state = fields["state"] or (former.state if former else "open")
    profiles = former.profiles if former else ()
    if fields["profileId"]:
        profiles = (*dict.fromkeys((*profiles, fields["profileId"])),)[-4:]
    if key == f"{fields['applicationId']}:{fields['integrationId']}".encode():
        known.pop(key, None)
        known[key] = _Known(update.partition or 0, offset, state, profiles)


def _expiry(key: bytes, session: _Known) -> bytes:
    return expire(key, session.offset, session.state)


def _erasure(key: bytes, known: dict[bytes, _Known], chance: Random) -> bytes:
    session = known[key]
    # Also those of other sessions: a profile may have several.
    every = {profile for each in known.values() for profile in each.profiles}
    named = [*session.profiles, *chance.sample(sorted(every), min(1, len(every)))]
    kinds = [chance.choice(("forget", "release", "")) for _ in named]
    lists: dict[str, list[str]] = {kind: [] for kind in ("forget", "release")}
    for profile, kind in dict(zip(named, kinds, strict=True)).items():
        if kind:
            lists[kind].append(profile)
    return erase(key, forget=(*lists["forget"],), release=(*lists["release"],))
