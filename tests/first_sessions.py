"""Which session of a profile is its first, read from the output and checked for itself."""

from collections.abc import Iterable, Mapping

from oracle import First, Snapshot, decode_session


def _decided(snapshots: Iterable[Snapshot]) -> Iterable[tuple[str, bytes, bool]]:
    """Yield (profile, session, first) of each snapshot of one partition that decided it."""
    profiles: dict[bytes, str] = {}
    for snapshot in snapshots:
        if snapshot.value is None:
            profiles.pop(snapshot.key, None)
            continue
        session = decode_session(snapshot.value)
        profile = session["profileId"]
        if profile and profile != profiles.get(snapshot.key):
            name = f"{session['applicationId']}:{profile}"
            yield name, snapshot.key, session["firstSession"]
        profiles[snapshot.key] = profile


def winners(snapshots: Mapping[int, Iterable[Snapshot]]) -> dict[str, bytes]:
    """Return the key of each profile's first session, as the output says it (the last to say so).

    `snapshots` holds the output of each partition, in order.
    """
    return {
        profile: key
        for partition in snapshots.values()
        for profile, key, first in _decided(partition)
        if first
    }


def as_published(partition: Iterable[Snapshot]) -> First:
    """Return which sessions of a partition are a first one, as its output says it.

    Where erases end claims there is more than one first session of a profile, one after another.
    """
    first = {
        (each.key, session["inputOffset"]): session["firstSession"]
        for each in partition
        if each.value is not None
        for session in (decode_session(each.value),)
    }
    return lambda _profile, key, offset: first.get((key, offset), False)


def wrong_claims(
    snapshots: Mapping[int, Iterable[Snapshot]],
    claims: Iterable[tuple[bytes, bytes | None]],
) -> list[str]:
    """Return, for people, each claim that another session had, and each that no snapshot answers.

    `claims` are keys and values of their topic, those of a profile in order.
    """
    owners: dict[bytes, bytes | None] = {}
    claimed: set[tuple[str, bytes]] = set()
    wrong = []
    for profile, holder in claims:
        owner = owners.get(profile)
        if holder and owner not in (None, holder):
            wrong.append(f"{profile!r} was claimed by {holder!r}, and is of {owner!r}")
        owners[profile] = holder
        if holder:
            claimed.add((profile.decode(), holder))
    first = {
        (profile, key)
        for partition in snapshots.values()
        for profile, key, is_first in _decided(partition)
        if is_first
    }
    return wrong + [f"only one says so: {each}" for each in first ^ claimed]


def not_exactly_one_first(snapshots: Mapping[int, Iterable[Snapshot]]) -> list[str]:
    """Return, for people, each profile whose first session is not exactly one.

    Of the sessions of one partition only the first to name a profile can be its first.
    """
    seen: dict[str, list[tuple[int, bytes, bool]]] = {}
    for number, partition in snapshots.items():
        for profile, key, first in _decided(partition):
            seen.setdefault(profile, []).append((number, key, first))
    return [
        f"{profile}: {decisions}"
        for profile, decisions in seen.items()
        if not _one_first(decisions)
    ]


def _one_first(decisions: list[tuple[int, bytes, bool]]) -> bool:
    first = {(number, key) for number, key, is_first in decisions if is_first}
    if len(first) != 1:
        return False
    [(number, key)] = first
    its_own = all(is_first for at, of, is_first in decisions if (at, of) == (number, key))
    return its_own and next(of for at, of, _ in decisions if at == number) == key
