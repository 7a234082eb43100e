"""What sends to the input under a name of its own, on the simulated brokers."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException

from processor.ports.log import (
    BatchAborted,
    Committed,
    LogUnavailable,
    Outgoing,
    ProducerLost,
)
from simulation.servers import OfOtherGroup, SimulatedBroker
from simulation.world import OwnClock

_PATIENCE_S = 30.0


class SimulatedSender:
    """What `processor.kafka.transactions.Transactions` is to the brokers."""

    def __init__(
        self,
        broker: SimulatedBroker,
        name: str,
        group: dict[int, Committed],
        clock: OwnClock,
        between: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._name = name
        self._group = group
        self._clock = clock
        self._between = between
        self._epoch = -1

    def open(self) -> None:
        self._broker.answer()
        self._epoch = self._broker.init(self._name)

    def positions(self, partitions: Iterable[int], *, stable: bool = True) -> dict[int, Committed]:
        since = self._clock.monotonic()
        while stable and (self._name in self._broker.ending or self._pending()):
            if self._clock.monotonic() - since > _PATIENCE_S:
                raise LogUnavailable("offsets pend")
            self._clock.wait(0.1)
        self._broker.answer()
        return {each: self._group[each] for each in partitions if each in self._group}

    def _pending(self) -> bool:
        found = self._broker.open.get(self._name)
        return isinstance(found, OfOtherGroup) and bool(found.positions)

    def transact(self, records: Sequence[Outgoing], after: Mapping[int, Committed]) -> None:
        end = self.prepare(records, after)
        self._between()
        self._require_own()
        end()

    def prepare(
        self, records: Sequence[Outgoing], after: Mapping[int, Committed]
    ) -> Callable[[], None]:
        """Do all but the end; return what ends it, unless the id has another holder by then."""
        broker, name = self._broker, self._name
        self._require_own()
        transaction = broker.open[name] = OfOtherGroup(self._group)
        for record in records:
            self._between()
            self._require_own()
            broker.append(record, transaction)
        if broker.leaders_away & transaction.first.keys():
            raise BatchAborted("the leader of a partition is away")
        transaction.positions |= after
        epoch = broker.epochs[name]

        def end() -> None:
            if broker.open.get(name) is transaction and broker.epochs[name] == epoch:
                broker.end(name, commit=True)

        return end

    def _require_own(self) -> None:
        if not self._broker.available:
            raise ProducerLost("the broker is away")
        if self._epoch < 0:
            raise ProducerLost("there is no producer yet")
        if self._epoch != self._broker.epochs[self._name]:
            fenced = KafkaException(KafkaError(KafkaError._FENCED))
            raise ProducerLost("another holds the id") from fenced
