"""A sender of commands that meets brokers which do not take them."""

import pytest
from avro_bytes import COMMANDS
from fakes.log_backends import PARTITIONS, KafkaLog

from processor.core.command import SessionCommand
from processor.errors import TopicError
from processor.kafka import command_sender
from processor.kafka.clients import Cluster
from processor.kafka.command_sender import CommandSender
from processor.ports.log import LogUnavailable, Topic

pytest_plugins = ["fakes.log_backends"]

COMMAND = SessionCommand("e", 1, 7, "a", "expire", 3, "closed")
AWAY = {"bootstrap.servers": "127.0.0.1:1"}
TOPICS = {Topic.UPDATES: "updates"}


def test_a_failure_is_told_once_and_the_next_command_is_sent(kafka_log: KafkaLog) -> None:
    sender = CommandSender(kafka_log.cluster, COMMANDS)
    sender.send(PARTITIONS, COMMAND)
    with pytest.raises(TopicError, match="Unknown partition"):
        sender.flush(60)
    assert sender.unanswered() == 0
    assert sender.flush(1) == {}
    sender.send(1, COMMAND)
    assert sender.flush(30) == {1: 1}
    sender.close()


def test_brokers_that_are_away_are_told_of_in_time() -> None:
    sender = CommandSender(Cluster(AWAY, "group", TOPICS), COMMANDS)
    sender.send(0, COMMAND)
    assert sender.unanswered()
    with pytest.raises(LogUnavailable, match="1 were not taken in 0"):
        sender.flush(0.2)
    sender.close()


def test_a_queue_that_stays_full_is_told_of_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_sender, "PATIENCE", 0.1)
    settings = {**AWAY, "queue.buffering.max.messages": "1"}
    sender = CommandSender(Cluster(settings, "group", TOPICS), COMMANDS)
    sender.send(0, COMMAND)
    with pytest.raises(LogUnavailable, match="the queue stayed full"):
        sender.send(0, COMMAND)
    assert sender.unanswered() == 0, "what is in the queue is let go of"
    assert sender.flush(0) == {}
    sender.send(0, COMMAND)
    assert sender.unanswered()
    sender.close()
