"""Sending commands: records of the input that end sessions. To send one twice is harmless."""

from typing import Protocol

from processor.core.command import SessionCommand


class Commands(Protocol):
    """Sends commands outside of transactions. One thread calls it.

    Raises LogUnavailable where the brokers do not take what was sent, and Forbidden, TopicError or
    UnpublishableError for what waiting does not mend. What was sent since the last `flush` may then
    have arrived or not, and will not be sent again; what follows is sent all the same.
    """

    def send(self, partition: int, command: SessionCommand) -> None:
        """Hand a command to the input partition over; waits only while the queue is full."""

    def unanswered(self) -> int:
        """Return how many commands no broker has answered for yet, without waiting."""

    def flush(self, seconds: float) -> dict[int, int]:
        """Wait until all that was sent is with the brokers.

        Returns, by partition, the offset behind the last one that was sent since the last flush.
        """

    def close(self) -> None:
        """Let go of what was not flushed, without waiting for it."""
