"""What is compared, while the service runs, with what it began with."""

from collections.abc import Callable
from typing import Final

from processor.errors import FailClosed, TopicError
from processor.partitions.committed import REPAIR, Topics, changed_text, changes
from processor.ports.clock import Clock
from processor.ports.log import Coordination, LogUnavailable, Topic
from processor.state.checkpoint import Stream

WATCH_S: Final = 6.0
"""How often the topics' ids are asked for, and what readers need is written again."""
ABSENT_S: Final = 10.0
"""For how long nobody may know a topic: a broker that starts knows none for a moment."""


class IdentityWatch:
    """Sees a topic that was deleted, or created again, and what readers need that is gone.

    A topic created again has other records under the same offsets: what runs on would skip some,
    and fold others upon sessions that are not theirs.
    """

    def __init__(
        self,
        stream: Stream,
        topics: Topics,
        coordination: Coordination,
        describe: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Take what the service began with; `describe` writes what readers of Redis need."""
        self._stream = stream
        self._topics = topics
        self._coordination = coordination
        self.describe = describe
        self._clock = clock
        self._check_at = clock.monotonic() + WATCH_S
        self._absent_since: float | None = None

    @property
    def absent(self) -> bool:
        """Whether for a while nobody has known one of the topics."""
        since = self._absent_since
        return since is not None and self._clock.monotonic() - since >= ABSENT_S

    def check(self) -> None:
        """Compare, at most every few seconds; may block for as long as a question.

        Raises FailClosed for a topic that was created again, TopicError for one that has been
        absent, and what `describe` raises. No answer from the brokers is no evidence.
        """
        if self._clock.monotonic() < self._check_at and self._absent_since is None:
            return
        self._check_at = self._clock.monotonic() + WATCH_S
        try:
            ids = self._coordination.topic_ids()
        except LogUnavailable:
            self._absent_since = None
        except TopicError:
            if self._absent_since is None:
                self._absent_since = self._clock.monotonic()
            if self.absent:
                raise
        else:
            self._absent_since = None
            now = self._stream._replace(
                updates=ids[Topic.UPDATES],
                sessions=ids[Topic.SESSIONS],
                dead_letters=ids[Topic.DEAD_LETTERS],
                claims=ids[Topic.CLAIMS],
            )
            told = [
                changed_text(each, self._stream, now, self._topics)
                for each in changes(self._stream, now)
            ]
            if told:
                raise FailClosed("while it ran: " + "; ".join(told), hint=REPAIR)
        self.describe()
