"""What a sender of commands owes, on every log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avro_bytes import COMMANDS
from log_calls import an_update, scanned

from processor.core.command import SessionCommand
from processor.ports.log import Topic

if TYPE_CHECKING:
    from fakes.log_backends import LogBackend

pytest_plugins = ["fakes.log_backends"]


def expiry(session: str) -> SessionCommand:
    return SessionCommand(f"expire of {session}", 1, 7, session, "expire", 3, "closed")


def test_what_was_flushed_stands_in_the_partition_it_was_sent_to(log: LogBackend) -> None:
    log.feed([an_update(0), an_update(1)])
    commands = log.commands()
    assert commands.flush(30) == {}
    for partition, session in ((0, "a"), (1, "b"), (0, "c")):
        commands.send(partition, expiry(session))
    assert commands.flush(30) == {0: 3, 1: 2}
    assert commands.unanswered() == 0
    assert commands.flush(30) == {}
    erase = SessionCommand("e", 1, 7, "a", "erase", forget=["p"], release=[])
    commands.send(1, erase)
    assert commands.flush(30) == {1: 3}
    for partition, sent in ((0, [expiry("a"), expiry("c")]), (1, [expiry("b"), erase])):
        found = scanned(log, Topic.UPDATES, partition)[1:]
        assert [each.key for each in found] == [f"7:{c.integration_id}".encode() for c in sent]
        assert [COMMANDS.read(each.value or b"", -1) for each in found] == sent
        assert all(each.timestamp >= 0 and not each.headers for each in found)


def test_what_is_let_go_leaves_the_sender_usable(log: LogBackend) -> None:
    commands = log.commands()
    commands.send(0, expiry("a"))
    commands.close()
    assert commands.flush(30) == {}
    commands.send(1, expiry("b"))
    assert commands.flush(30) == {1: 1}
