"""`Commands` in memory, on a `FakeBroker`."""

from avro_bytes import COMMANDS

from fakes.broker import FakeBroker
from processor.core.command import SessionCommand
from processor.core.session import session_key
from processor.ports.log import NO_TIMESTAMP, LogUnavailable, Outgoing, Topic


class FakeCommands:
    """What is sent stands once a broker is asked about it, and is gone where none is there."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._sent: list[Outgoing] = []
        self._ends: dict[int, int] = {}
        self._failed = False

    def send(self, partition: int, command: SessionCommand) -> None:
        key = session_key(command.application_id, command.integration_id).encode()
        value = COMMANDS.write(command)
        self._sent.append(Outgoing(Topic.UPDATES, partition, NO_TIMESTAMP, key, value, ()))

    def unanswered(self) -> int:
        for record in self._sent:
            partition = record.partition
            assert partition is not None
            if not self._broker.answers(Topic.UPDATES, partition):
                self._failed = True
                continue
            self._broker.append(record)
            self._ends[partition] = self._broker.extent(Topic.UPDATES, partition).end
        self._sent.clear()
        return 0

    def flush(self, seconds: float) -> dict[int, int]:
        del seconds
        self.unanswered()
        failed, ends = self._failed, self._ends
        self.close()
        if failed:
            raise LogUnavailable("the fake broker is away")
        return ends

    def close(self) -> None:
        self._sent, self._ends, self._failed = [], {}, False
