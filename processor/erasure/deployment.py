"""The live service and its replays, as they are read, searched and sent to."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from processor.erasure.ids import Sought
from processor.erasure.named_ids import Values
from processor.erasure.report import Where
from processor.erasure.search import TOPICS, Found, Kept, Search, Since
from processor.erasure.states import REDIS, replay_place
from processor.errors import TopicError
from processor.ports.chunks import Passed
from processor.ports.commands import Commands
from processor.ports.lifetimes import Lifetime
from processor.ports.log import Coordination, Scan, Topic

_REPLAYED: Final = (Topic.SESSIONS, Topic.DEAD_LETTERS, Topic.CLAIMS)


class Deployment(NamedTuple):
    """What an erasure asks, reads and sends with. Whatever it does raises what its parts do."""

    where: Where
    values: Values
    coordination: Coordination
    scan: Scan
    """Reads what is committed."""
    sender: Commands
    live: Kept
    replays: Callable[[], Mapping[str, Kept]]
    """Returns what each replay that there is now keeps, by name."""
    lifetimes: Callable[[], Mapping[str, Lifetime]]
    """Returns how long topics keep what is erased, by place and by the settings of now."""

    @property
    def partitions(self) -> range:
        """Those of the input."""
        return range(self.coordination.partitions(Topic.UPDATES))

    def ends(self) -> dict[int, int]:
        """Return up to where the input can be read now, by partition."""
        asked = self.coordination
        return {each: asked.extent(Topic.UPDATES, each).stable_end for each in self.partitions}

    def search(self, sought: Sought, since: Since, passed: Passed) -> dict[str, Found]:
        """Search every place."""
        search = Search(sought, self.values, since, passed)
        found = {place: search.topic(topic, self.live) for place, topic in TOPICS.items()}
        found[REDIS] = search.cache(self.live, len(self.partitions))
        for name, own in self.replays().items():
            found[replay_place(name)] = _sum(_of_replay(search, own, len(self.partitions)))
        return found

    def search_cache(self, sought: Sought) -> Found:
        """Search the live service's Redis alone."""
        return Search(sought, self.values, Since()).cache(self.live, len(self.partitions))


def _of_replay(search: Search, own: Kept, partitions: int) -> Iterator[Found]:
    for topic in _REPLAYED:
        try:
            yield search.topic(topic, own)
        except TopicError:  # it was begun, and this one is not made yet
            continue
    yield search.cache(own, partitions)


def _sum(found: Iterator[Found]) -> Found:
    counts = Counter[str]()
    at: tuple[str, ...] = ()
    for each in found:
        counts.update(values=each.values, keys=each.keys)
        at = at or each.at
    return Found(counts["values"], counts["keys"], 0, at)
