"""What a consumer is told of pending offsets, and does not pass on."""

import re
from typing import Final

_ANSWER: Final = re.compile(r"OffsetFetchResponse: \S+ \[(\d+)\] .*: UNSTABLE_OFFSET_COMMIT$")


class UnstableOffsets:
    """The partitions of which the coordinator said UNSTABLE_OFFSET_COMMIT.

    librdkafka asks again until the call's time is over, and then says what it says of a coordinator
    that is late: timed out. Only its log tells (2.16.1). Filled while the consumer is polled.
    """

    def __init__(self) -> None:
        self._partitions: set[int] = set()

    def properties(self) -> dict[str, object]:
        """Return what the consumer needs so that it tells; nothing of its log goes elsewhere."""
        return {"debug": "topic", "log_level": 7, "logger": self}

    def log(self, _level: int, text: str, *parts: object) -> None:
        """Take a line, as a `logging.Logger` does."""
        said = _ANSWER.search(text % parts if parts else text)
        if said is not None:
            self._partitions.add(int(said[1]))

    def forget(self) -> None:
        """Let go of what was said so far."""
        self._partitions.clear()

    def __contains__(self, partition: int) -> bool:
        """Whether the offset of the partition was said to be pending."""
        return partition in self._partitions
