"""Recording, beside what is restored, the schemas that it is read by."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from processor.avro.definition import SchemaError
from processor.avro.framing import CONFLUENT_LENGTH, DecodeError, is_confluent, schema_id
from processor.ports.latest import Latest, LatestScan
from processor.ports.log import Topic
from processor.ports.registry import Registry
from processor.registry.references import whole_text


@dataclass(frozen=True, slots=True)
class DescribingScan:
    """A `LatestScan` that has the schemas recorded by which what it yields can be read.

    So a reader of the cache finds them, whichever version wrote the snapshot. Raises what the
    registry raises; the cache's own exceptions too.
    """

    scan: LatestScan
    registry: Registry
    known: dict[str, str]
    """What is recorded already; what is found is added there too."""
    describe: Callable[[Mapping[str, str]], None]

    def latest(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[Latest]:
        """Yield what the scan yields."""
        for found in self.scan.latest(topic, partition, start, end):
            values = filter(None, found.values.values())
            self._record({each[:CONFLUENT_LENGTH] for each in values})
            yield found

    def _record(self, headers: set[bytes]) -> None:
        for header in headers:
            if not is_confluent(header):
                continue
            # What cannot be had is told by whoever needs the snapshot.
            with suppress(DecodeError, SchemaError):
                found = schema_id(header)
                if found is None or str(found.schema_id) in self.known:
                    continue
                schema = self.registry.schema(found.schema_id)
                if schema is not None:
                    text = whole_text(self.registry.version, schema)
                    self.describe({str(found.schema_id): text})
                    self.known[str(found.schema_id)] = text
