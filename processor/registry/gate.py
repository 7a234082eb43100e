"""Who may pass: records whose writers' schemas are known, and the partitions that wait for one."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from processor.avro.apicurio import update_framed
from processor.avro.framing import DecodeError, schema_id
from processor.ports.clock import Clock
from processor.ports.log import Record
from processor.ports.registry import SchemaId
from processor.registry.ids import PATIENCE_S, RegisteredIds
from processor.telemetry.observer import Observer

_ASK_S: Final = 1.0
_WAIT_S: Final = 0.5
VAIN_S: Final = 120.0
"""How long a partition waits for schemas that do not exist, all told, before it waits no more."""
_FORGIVEN: Final = VAIN_S / 3600
"""Of such waiting, what a second makes undone: all of it within an hour."""


class SchemaWait:
    """Holds partitions back at records whose schema nothing is known of. One thread calls it.

    The registry is asked for all ids of a poll together, those behind the first included, so that
    ids that do not exist are waited out at the same time. A partition is held back, the others go
    on. While there is no answer it waits for as long as that takes. For an id that the registry
    says it does not have it waits for `PATIENCE_S`; once it has waited `VAIN_S` within an hour for
    ids that did not come, it takes the registry at its first word: whoever makes ids up cannot stop
    a partition by one after another.
    """

    def __init__(self, ids: RegisteredIds, clock: Clock, observer: Observer) -> None:
        self._ids = ids
        self._clock = clock
        self._observer = observer
        self._due: dict[int, float] = {}
        self._since: dict[int, tuple[SchemaId, float]] = {}
        self._vain: dict[int, tuple[float, float]] = {}

    @property
    def partitions(self) -> Collection[int]:
        """The partitions that are held back: none of their records come, or is skipped."""
        return self._due.keys()

    def admit(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records that may pass; a partition of which others follow waits from now on.

        The caller pauses what waits, and lets it come again from its next offset once it is due.
        Raises Forbidden.
        """
        named = [_named(record) for record in records]
        distinct = list(dict.fromkeys(each for each in named if each is not None))
        if not distinct:
            return records
        asked = distinct[: self._ids.capacity // 2]
        self._ids.ask(asked, _ASK_S)
        known = {each for each in asked if self._ids.known(each)}
        if len(known) == len(distinct) and not self._since:
            self._tell()
            return records
        passed = []
        for record, schema in zip(records, named, strict=True):
            if record.partition in self._due:
                continue
            if schema is None or schema in known:
                self._came(record.partition, schema)
                passed.append(record)
            elif self._is_given_up(record.partition, schema):
                passed.append(record)
            else:
                self._hold(record.partition, schema)
        self._tell()
        return passed

    def take_due(self) -> list[int]:
        """Return the partitions that may come again, and hold them back no more."""
        if not self._due:
            return []
        now = self._clock.monotonic()
        due = [partition for partition, at in self._due.items() if now >= at]
        for partition in due:
            del self._due[partition]
        return due

    def forget(self, partitions: Iterable[int]) -> None:
        """Begin anew with partitions that are revoked, and may come back."""
        for partition in partitions:
            for known in (self._due, self._since, self._vain):
                known.pop(partition, None)
            self._observer.schema_known(partition)
        if not self._since:
            self._observer.back("registry")  # nothing here waits for it

    def _hold(self, partition: int, schema: SchemaId) -> None:
        now = self._clock.monotonic()
        self._due[partition] = now + _WAIT_S
        if self._since.get(partition, ("", 0.0))[0] != schema:
            self._since[partition] = schema, now
        absent = self._ids.absent_for(schema) is not None
        why = (
            "the schema registry has no such schema as yet"
            if absent
            else "the schema registry has not told of it"
        )
        self._observer.schema_awaited(partition, f"{why}: schema {schema}")

    def _came(self, partition: int, schema: SchemaId | None) -> None:
        waited = self._since.get(partition)
        if waited is not None and waited[0] == schema:
            del self._since[partition]
            self._observer.schema_known(partition)

    def _is_given_up(self, partition: int, schema: SchemaId) -> bool:
        """Whether the registry is taken at its word that there is no such schema."""
        absent = self._ids.absent_for(schema)
        now = self._clock.monotonic()
        level, at = self._vain.get(partition, (0.0, now))
        level = max(0.0, level - (now - at) * _FORGIVEN)
        if absent is None or (absent < PATIENCE_S and level < VAIN_S):
            return False
        waited = self._since.get(partition)
        if waited is not None and waited[0] == schema:
            del self._since[partition]
            self._vain[partition] = level + now - waited[1], now
            self._observer.schema_known(partition)
        return True

    def _tell(self) -> None:
        unavailable = self._ids.unavailable
        if unavailable is None:
            self._observer.back("registry")
        else:
            self._observer.away("registry", str(unavailable), retry_in=_WAIT_S)


def _named(record: Record) -> SchemaId | None:
    """Return the id that the record names its schema by; what names none is for decode to judge."""
    if record.value is None:
        return None
    try:
        found = schema_id(update_framed(record.value, record.headers))
    except DecodeError:
        return None
    return None if found is None else found.schema_id
