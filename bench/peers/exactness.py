"""Whether every accepted update has its snapshot once, in order."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bench.peers.output import Snapshots


class Tally(NamedTuple):
    """Snapshots that should be there and are not, and those that should not be there."""

    missing: int
    surplus: int


def tally(keys: Iterable[bytes], found: Snapshots) -> Tally:
    """Compare with the keys of the updates that were sent, every one of which is acceptable.

    A session of n updates has the versions 1 to n. A version that is not above all before it is
    one too many, as is one above n or of a session that was not sent.
    """
    missing = surplus = 0
    expected = Counter(keys)
    for key in expected.keys() | found.keys():
        versions = [int(each["version"]) for each in found.get(key, [])]
        new = _rising(versions, expected[key])
        missing += expected[key] - new
        surplus += len(versions) - new
    return Tally(missing, surplus)


def _rising(versions: Iterable[int], last: int) -> int:
    """Return how many are above all before them, and not above `last`."""
    highest = count = 0
    for version in versions:
        if highest < version <= last:
            highest = version
            count += 1
    return count
