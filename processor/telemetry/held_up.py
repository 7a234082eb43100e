"""What is told of partitions that stand still though nothing of ours holds them back."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from processor.ports.instants import iso_time
from processor.telemetry.health import Health
from processor.telemetry.incidents import Incidents
from processor.telemetry.metrics import Metrics
from processor.telemetry.status import DAMAGED, STALLED, Status

STALLED_HINT: Final = (
    'the fetch is renewed, then the consumer: see "a partition is stalled" in '
    "docs/operations/runbooks.md"
)
DAMAGE_HINT: Final = (
    "it is read again every 30 s; move the partition's leader to a replica that has it whole: see "
    '"a batch of the input is damaged" in docs/operations/failures.md'
)
_log: Final = structlog.get_logger("processor")


class OpenTransaction(NamedTuple):
    """A transaction of somebody else that nothing can be read behind."""

    topic: str
    """What the topic is called."""
    partition: int
    offset: int
    """Of its first record there: the last stable offset."""


class HeldUp:
    """Called by the loop's thread; never raises, never blocks. Times are in ms since 1970."""

    def __init__(
        self, health: Health, metrics: Metrics, incidents: Incidents, status: Status
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._incidents = incidents
        self._status = status
        self._damaged: dict[int, str] = {}
        self._stalled: set[int] = set()
        self._open: set[tuple[str, int]] = set()

    def stalled(self, partition: int, position: int, stable_end: int, since: int) -> None:
        """Tell that records are there, and none comes."""
        self._stalled.add(partition)
        self._metrics.stalled(partition, stalled=True)
        behind = stable_end - position
        why = (
            f"stalled at offset {position} since {iso_time(since)}, {behind} behind the stable "
            f"end; {STALLED_HINT}"
        )
        self._health.warn(_stall(partition), why)
        self._status.enter(partition, STALLED, why)
        self._incidents.warning(
            "partition stalled",
            partition=partition,
            position=position,
            stable_end=stable_end,
            since=iso_time(since),
            hint=STALLED_HINT,
        )

    def fetch_renewed(self, partition: int, position: int) -> None:
        """Tell that a stalled partition is fetched anew."""
        self._incidents.warning("fetch renewed", partition=partition, position=position)

    def consumer_renewed(self, partitions: Iterable[int]) -> None:
        """Tell that the process joins the group anew, for partitions that are still stalled."""
        self._incidents.warning(
            "still stalled, renewing the consumer", partitions=sorted(partitions)
        )

    def moves(self, partition: int) -> None:
        """Tell that an owned partition moves, or is at its stable end."""
        self._metrics.stalled(partition, stalled=False)
        self.not_stalled(partition)

    def not_stalled(self, partition: int) -> None:
        """Tell that a partition is not stalled any more, or held back, if it was stalled."""
        if partition in self._stalled:
            self._stalled.discard(partition)
            self._metrics.stalled(partition, stalled=False)
            self._health.clear(_stall(partition))
            self._status.leave(partition, STALLED)
            _log.info("partition not stalled any more", partition=partition)

    def transaction_open(self, found: OpenTransaction, since: int, command: str) -> None:
        """Tell of a transaction that holds something up, and with what to find and to end it."""
        topic, partition, offset = found
        self._open.add((topic, partition))
        self._health.warn(
            _transaction(topic, partition),
            f"a transaction that began at offset {offset} is open since {iso_time(since)}: nothing "
            f"behind it can be read; see who has it, or end it: {command}",
        )
        self._incidents.warning(
            "open transaction holds up what follows it",
            topic=topic,
            partition=partition,
            offset=offset,
            since=iso_time(since),
            hint=f"see who has it, or end it: {command}",
        )

    def transaction_lasts(self, topic: str, partition: int, seconds: float) -> None:
        """Tell for how long the stable end has stood before other records; 0: it does not."""
        self._metrics.open_transaction(topic, partition, seconds)

    def transaction_ended(self, topic: str, partition: int) -> None:
        """Tell that nothing is held up there, if something was."""
        if (topic, partition) in self._open:
            self._open.discard((topic, partition))
            self._health.clear(_transaction(topic, partition))
            _log.info("open transaction ended", topic=topic, partition=partition)

    def look_for_damage(self, damaged: Mapping[int, str], running: Iterable[int]) -> None:
        """Tell of the partitions that stand before a damaged batch, and of those that go on."""
        for partition in self._damaged.keys() - damaged.keys():
            self._health.clear(_damage(partition))
            self._status.leave(partition, DAMAGED)
            _log.info("damaged batch read, the partition goes on", partition=partition)
        for partition, why in damaged.items():
            reason = f"stands still: {why}; {DAMAGE_HINT}"
            self._status.enter(partition, DAMAGED, reason)
            if partition not in self._damaged:
                self._health.warn(_damage(partition), reason)
                self._incidents.error(
                    "batch damaged, partition stands",
                    partition=partition,
                    why=why,
                    hint=DAMAGE_HINT,
                )
        self._damaged = dict(damaged)
        for partition in running:
            self._metrics.damaged(partition, damaged=partition in damaged)

    def forget(self, partition: int) -> None:
        """Say no more of a partition that is somebody else's now."""
        self._stalled.discard(partition)
        self._health.clear(_stall(partition))
        for topic, of in [each for each in self._open if each[1] == partition]:
            self._open.discard((topic, of))
            self._health.clear(_transaction(topic, of))


def _stall(partition: int) -> str:
    return f"fetching of partition {partition}"


def _damage(partition: int) -> str:
    return f"input of partition {partition}"


def _transaction(topic: str, partition: int) -> str:
    return f"transaction on {topic} partition {partition}"
