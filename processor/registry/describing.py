"""Recording, beside what is restored, the schemas that it is read by."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from processor.avro.framing import CONFLUENT_LENGTH, is_confluent, schema_id
from processor.ports.log import Record, Scan, Topic
from processor.ports.registry import Registry


class DescribingScan:
    """A `Scan` that has the schemas recorded by which the snapshots can be read that it yields.

    So a reader of the cache finds them, whichever version wrote the snapshot. Raises what the
    registry raises; the cache's own exceptions too.
    """

    def __init__(
        self,
        scan: Scan,
        registry: Registry,
        known: dict[str, str],
        describe: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Take what is recorded already; what is found is added there too."""
        self._scan = scan
        self._registry = registry
        self._known = known
        self._describe = describe

    def read(
        self, topic: Topic, partition: int, start: int, end: int
    ) -> Iterator[Sequence[Record]]:
        """Yield what the scan yields."""
        for records in self._scan.read(topic, partition, start, end):
            if topic is Topic.SESSIONS:
                self._record({each.value[:CONFLUENT_LENGTH] for each in records if each.value})
            yield records

    def _record(self, headers: set[bytes]) -> None:
        for header in headers:
            found = (
                schema_id(header)
                if is_confluent(header) and len(header) == CONFLUENT_LENGTH
                else None
            )
            if found is None or str(found.schema_id) in self._known:
                continue
            text = self._registry.text(found.schema_id)
            if text is not None:  # else whoever needs the snapshot says so
                self._describe({str(found.schema_id): text})
                self._known[str(found.schema_id)] = text
