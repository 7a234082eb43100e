"""What the registry said of schema ids: remembered, within a bound, and asked again in time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from processor.avro.definition import SchemaError
from processor.avro.framing import DecodeError, JsonSchemaError
from processor.avro.schemas import Schema, read_schema
from processor.ports.clock import Clock
from processor.ports.registry import (
    JSON,
    Registry,
    RegistryUnavailable,
    SchemaId,
    SchemaText,
)
from processor.registry.references import ReferenceAbsent, whole_text

PATIENCE_S: Final = 30.0
"""How long an id is asked for that the registry says it does not have, from the first such answer.

A registry of several nodes may be behind the one that registered the schema.
"""
CAPACITY: Final = 2_048
_REFERENCES: Final = 512
"""How many versions that schemas refer to are remembered."""
_ASK_AGAIN_S: Final = 1.0
_LOOK_AGAIN_S: Final = 5.0
_FRESH_S: Final = 60.0
"""How old an answer may be by which an update is given up: the registry may be away since."""
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0


@dataclass(slots=True)
class _Answer:
    """The last answer; `absent` is the time of the first one that there is no such schema."""

    schema: Schema | DecodeError | None
    asked: float
    absent: float | None

    def is_pending(self) -> bool:
        """Whether it is absent, and not long enough to be given up."""
        return self.absent is not None and self.asked - self.absent < PATIENCE_S


class RegisteredIds:
    """`SchemaIds` on a registry. One thread calls it.

    Answers are kept for the `capacity` ids that were used last, found or not, so that ids that
    somebody makes up cost no memory; those of `own` are kept for good. What the registry has stays
    as it is: it is asked for once.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        own: Mapping[SchemaId, Schema] | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._own = dict(own or {})
        self._answers: dict[SchemaId, _Answer] = {}
        self._references = _References(registry, clock)
        self._quiet_until = 0.0
        self._backoff = _FIRST_BACKOFF_S
        self.capacity = capacity
        self.unavailable: RegistryUnavailable | None = None
        """Why the registry did not answer when it was last asked; None where it did."""

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """Return the schema under the id; asks the registry for one that it was not asked for."""
        own = self._own.get(schema_id)
        if own is not None:
            return own
        answer = self._used(schema_id)
        if answer is None:
            self._references.until(self._clock.monotonic() + _ASK_AGAIN_S)
            answer = self._ask(schema_id)
        if isinstance(answer.schema, DecodeError):
            raise answer.schema
        return answer.schema

    def ask(self, ids: Iterable[SchemaId], seconds: float) -> None:
        """Ask for those ids of which nothing is known yet, then for those that were absent.

        Ends after `seconds`, and with the first question that is not answered: `unavailable` then
        says why, and for a while that doubles nothing is asked. Raises Forbidden.
        """
        now = self._clock.monotonic()
        if now < self._quiet_until:
            return
        until = now + seconds
        self._references.until(until)
        try:
            for each in self._due(ids, now):
                self._ask(each)
                if self._clock.monotonic() >= until:
                    break
        except RegistryUnavailable as fault:
            self.unavailable = fault
            self._quiet_until = self._clock.monotonic() + self._backoff
            self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF_S)

    def known(self, schema_id: SchemaId) -> bool:
        """Whether the last answer was the schema, or that it cannot be used."""
        if schema_id in self._own:
            return True
        answer = self._used(schema_id)
        return answer is not None and answer.absent is None

    def absent_for(self, schema_id: SchemaId) -> float | None:
        """Return for how long the registry's answers have been that it has no such schema.

        None where it never said so, or not lately: then it is to be asked.
        """
        answer = self._used(schema_id)
        if answer is None or answer.absent is None:
            return None
        fresh = self._clock.monotonic() - answer.asked <= _FRESH_S
        return answer.asked - answer.absent if fresh else None

    def _due(self, ids: Iterable[SchemaId], now: float) -> list[SchemaId]:
        new, again = list[SchemaId](), list[SchemaId]()
        for each in dict.fromkeys(ids):
            answer = self._answers.get(each)
            if each in self._own:
                continue
            if answer is None:
                new.append(each)
            elif answer.absent is not None:
                wait = _ASK_AGAIN_S if answer.is_pending() else _LOOK_AGAIN_S
                if now - answer.asked >= wait:
                    again.append(each)
        if new:
            pending = sum(each.is_pending() for each in self._answers.values())
            new = new[: max(0, self.capacity // 2 - pending)]
        return new + again

    def _used(self, schema_id: SchemaId) -> _Answer | None:
        """Return what is remembered, and make it what was used last."""
        answer = self._answers.pop(schema_id, None)
        if answer is not None:
            self._answers[schema_id] = answer
        return answer

    def _ask(self, schema_id: SchemaId) -> _Answer:
        found = self._registry.schema(schema_id)
        schema, absent = (None, True) if found is None else self._read(schema_id, found)
        self.unavailable = None
        self._backoff = _FIRST_BACKOFF_S
        now = self._clock.monotonic()
        former = self._answers.pop(schema_id, None)
        since = now if former is None or former.absent is None else former.absent
        answer = _Answer(schema, now, since if absent else None)
        self._answers[schema_id] = answer
        if len(self._answers) > self.capacity:
            # What is being waited for stays: its time would begin anew. That is half at most.
            settled = (key for key, each in self._answers.items() if not each.is_pending())
            del self._answers[next(settled, next(iter(self._answers)))]
        return answer

    def _read(self, schema_id: SchemaId, found: SchemaText) -> tuple[Schema | DecodeError, bool]:
        """Return the schema, or why it cannot be used, and whether a part of it is yet to come."""
        where = f"the schema {schema_id} of the registry"
        if found.kind == JSON:
            return JsonSchemaError(f"{where} is a JSON Schema, not Avro"), False
        try:
            return read_schema(whole_text(self._references.version, found)), False
        except SchemaError as error:
            why = f"{where} cannot be used: {str(error)[:500]}"
            return DecodeError(why), isinstance(error, ReferenceAbsent)


class _References:
    """The versions that schemas refer to. They never change, so each is asked for once.

    Each attempt asks for one at least, so that it gets further than the one before.
    """

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._found: dict[tuple[str, int], SchemaText] = {}
        self._until = 0.0
        self._asked = False

    def until(self, time: float) -> None:
        """Begin an attempt, which asks for no more once it is so late."""
        self._until, self._asked = time, False

    def version(self, subject: str, number: int) -> SchemaText | None:
        """Return a version, None where there is none.

        Raises RegistryUnavailable once it is late, and what the registry raises.
        """
        place = subject, number
        if place in self._found:
            return self._found[place]
        if self._asked and self._clock.monotonic() >= self._until:
            raise RegistryUnavailable("what a schema refers to is not all there yet, asking on")
        self._asked = True
        found = self._registry.version(subject, number)
        if found is not None:
            if len(self._found) >= _REFERENCES:
                self._found.clear()
            self._found[place] = found
        return found
