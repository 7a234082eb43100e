"""What is asked of the brokers about assigned partitions, while the service runs."""

from collections.abc import Collection, Mapping
from typing import Final

from processor.ports.clock import Clock
from processor.ports.log import Coordination, Ends, EndsAnswer, Place, Subscription, Topic
from processor.runtime.assignment import Assignment
from processor.runtime.open_transactions import OpenTransactions
from processor.runtime.pipeline import Pipeline
from processor.runtime.stalls import StallWatch
from processor.telemetry.observer import Observer

ASK_S: Final = 15.0
"""How often the true ends are asked for."""
_ANSWER_S: Final = 5.0
"""After this a question counts as unanswered: the brokers have three seconds of it."""
_WATCHED: Final = (Topic.UPDATES, Topic.SESSIONS)


class PartitionWatch:
    """Has the true ends compared with the positions; tells the lag by them."""

    def __init__(
        self,
        *,
        subscription: Subscription,
        coordination: Coordination,
        pipeline: Pipeline,
        assignment: Assignment,
        stalls: StallWatch,
        transactions: OpenTransactions,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._subscription = subscription
        self._coordination = coordination
        self._pipeline = pipeline
        self._assignment = assignment
        self.stalls = stalls
        self._transactions = transactions
        self._observer = observer
        self._clock = clock
        self._answer: EndsAnswer | None = None
        self._asked_at = -ASK_S
        self._asked: set[int] = set()
        self._ends: dict[int, int] = {}

    def check(self) -> bool:
        """Ask, compare and tell; return whether the consumer is to be renewed.

        Waits for a moment at most, but for the times of single records, which are seldom asked for.
        """
        running = self._pipeline.offsets()
        assigned = {*running, *self._assignment.partitions}
        answers = self._answers(assigned)
        renew = False
        if answers is not None:
            found = {place[1]: ends for place, ends in answers.items() if place[0] is Topic.UPDATES}
            self._ends |= {partition: ends.end for partition, ends in found.items()}
            self._transactions.look(answers, assigned)
            renew = self.stalls.look(found)
        self._ends = {each: end for each, end in self._ends.items() if each in assigned}
        self._tell_times(self._observer.look(self._subscription, running, self._ends))
        return renew

    def _answers(self, assigned: Collection[int]) -> Mapping[Place, Ends] | None:
        """Return answers that have just come; an assignment that grew is asked for at once."""
        now = self._clock.monotonic()
        due = now - self._asked_at >= ASK_S or not self._asked.issuperset(assigned)
        if self._answer is None and due and assigned:
            self._asked_at, self._asked = now, set(assigned)
            places = [(topic, each) for topic in _WATCHED for each in sorted(assigned)]
            self._answer = self._coordination.ends(places)
        if self._answer is None:
            return None
        answers = self._answer()
        if answers is not None or now - self._asked_at > _ANSWER_S:
            self._answer = None
        return answers and {place: each for place, each in answers.items() if place[1] in assigned}

    def _tell_times(self, unknown: Mapping[int, int]) -> None:
        """Have the records looked at that come next in partitions of which none was processed."""
        if unknown:
            places = {(Topic.UPDATES, each): offset for each, offset in unknown.items()}
            found = self._coordination.timestamps(places)
            self._observer.next_times({each: found.get((Topic.UPDATES, each)) for each in unknown})
