"""A topic that the consumer was told is absent, until that is certain.

In a rolling restart a broker may not know for a moment what the others know, so one answer ends
nothing: only a topic that nobody has known for a while is absent.
"""

from time import monotonic
from typing import Final

from confluent_kafka import Consumer

from processor.errors import TopicError
from processor.kafka.faults import sort, sorting
from processor.ports.log import LogUnavailable

_ABSENT_S: Final = 10.0
_ASK_EVERY_S: Final = 0.5
_ANSWER_S: Final = 1.0


class Absence:
    """What was said to be absent of one topic, and since when each answer has said the same."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._said: tuple[TopicError, int] | None = None
        self._since = self._asked = 0.0

    def note(self, fault: TopicError, partition: int) -> None:
        """Keep what the client said of a partition, or of the topic if the number is negative."""
        if self._said is None:
            self._said = fault, partition
            self._since = monotonic()

    def check(self, consumer: Consumer) -> None:
        """Raise what was noted, if for ten seconds all answers have said so; ask twice a second.

        Blocks for up to a second. One answer that knows the topic ends the matter: the client then
        goes on by itself. No answer is no evidence, and the ten seconds begin again.
        """
        if self._said is None or monotonic() - self._asked < _ASK_EVERY_S:
            return
        fault, partition = self._said
        try:
            with sorting("asking for the topic"):
                told = consumer.list_topics(self._topic, timeout=_ANSWER_S).topics[self._topic]
        except LogUnavailable:
            self._since = monotonic()
        else:
            known = told.error is None and (partition < 0 or partition in told.partitions)
            absent = told.error is None or isinstance(sort(told.error, ""), TopicError)
            if known:
                self._said = None
            elif absent and monotonic() - self._since > _ABSENT_S:
                raise fault
        self._asked = monotonic()
