"""What counts as an answer of the admin client, and which client is asked next."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import pytest
from confluent_kafka import OFFSET_END, OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from fakes.clock import FakeClock

from processor.kafka import coordination
from processor.kafka.clients import Cluster
from processor.kafka.coordination import KafkaCoordination
from processor.kafka.unstable import UnstableOffsets
from processor.ports.log import Ends, Extent, LogUnavailable, Topic

CLUSTER = Cluster({"bootstrap.servers": "127.0.0.1:1"}, "group", {Topic.UPDATES: "updates"})

Answer = int | KafkaError
SILENT = OFFSET_INVALID
OTHER_LEADER = KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)
NO_TOPIC = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


class Found(NamedTuple):
    offset: int


class Clients:
    """Admin clients, each silent after the answers of its own."""

    def __init__(self, *answers: Sequence[Answer]) -> None:
        self.clock = FakeClock()
        self._answers = [list(each) for each in answers]
        self.made = 0

    def make(self, _properties: Mapping[str, object]) -> "Clients.Client":
        self.made += 1
        return Clients.Client(self._answers.pop(0))

    class Client:
        def __init__(self, answers: list[Answer]) -> None:
            self._answers = answers

        def list_offsets(
            self, asked: Mapping[TopicPartition, Any], **_options: object
        ) -> dict[TopicPartition, Future[Found]]:
            future: Future[Found] = Future()
            answer = self._answers.pop(0) if self._answers else SILENT
            if isinstance(answer, int):
                future.set_result(Found(answer))
            else:
                future.set_exception(KafkaException(answer))
            return dict.fromkeys(asked, future)


Connect = Callable[[Clients], KafkaCoordination]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connected(clients: Clients) -> KafkaCoordination:
        monkeypatch.setattr(coordination, "AdminClient", clients.make)
        asked = KafkaCoordination(CLUSTER, clients.clock)
        clients.clock.wait(10)
        return asked

    return connected


@pytest.mark.parametrize("silent", range(3))
@pytest.mark.parametrize("answer", [SILENT, OFFSET_END, OTHER_LEADER])
def test_an_extent_without_all_its_answers_is_none(
    connect: Connect, silent: int, answer: Answer
) -> None:
    answers: list[Answer] = [3, 8, 9]
    answers[silent] = answer
    clients = Clients(answers, [3, 8, 9])
    asked = connect(clients)
    with pytest.raises(LogUnavailable, match="offsets of updates partition 1"):
        asked.extent(Topic.UPDATES, 1)
    assert asked.extent(Topic.UPDATES, 1) == Extent(3, 8, 9), "a fresh client is asked"


def test_no_record_as_late_as_a_time_is_an_answer_and_silence_is_none(connect: Connect) -> None:
    clients = Clients([OFFSET_END, 3, 8, 9, 5, SILENT], [7])
    asked = connect(clients)
    assert asked.offset_at(1, 1_700_000_000_000) == 8
    assert asked.offset_at(1, 1_700_000_000_000) == 5
    with pytest.raises(LogUnavailable):
        asked.offset_at(1, 1_700_000_000_000)
    assert asked.offset_at(1, 1_700_000_000_000) == 7


@pytest.mark.parametrize("silent", range(2))
@pytest.mark.parametrize("answer", [SILENT, OTHER_LEADER, NO_TOPIC])
def test_an_end_without_both_its_answers_is_none_and_a_fresh_client_is_asked(
    connect: Connect, silent: int, answer: Answer
) -> None:
    answers: list[Answer] = [8, 9]
    answers[silent] = answer
    asked = connect(Clients(answers, [8, 9]))
    places = [(Topic.UPDATES, 1)]
    assert asked.ends(places)() == {}
    assert asked.ends(places)() == {(Topic.UPDATES, 1): Ends(8, 9)}


def test_fresh_clients_are_not_made_one_after_the_other(connect: Connect) -> None:
    clients = Clients([], [], [3, 8, 9])
    asked = connect(clients)
    for _ in range(5):
        with pytest.raises(LogUnavailable):
            asked.extent(Topic.UPDATES, 1)
    assert clients.made == 2
    clients.clock.wait(10)
    with pytest.raises(LogUnavailable):
        asked.extent(Topic.UPDATES, 1)
    assert asked.extent(Topic.UPDATES, 1) == Extent(3, 8, 9)


def test_only_an_answer_of_the_coordinator_makes_an_offset_unstable() -> None:
    unstable = UnstableOffsets()
    line = "[thrd:main]: GroupCoordinator/1: OffsetFetchResponse: updates [%d] offset -1, %s: %s"
    unstable.log(7, line, 1, "metadata 0 byte(s)", "NO_ERROR")
    unstable.log(7, line, 12, "metadata 0 byte(s)", "UNSTABLE_OFFSET_COMMIT")
    unstable.log(7, "100% of something else")
    assert [each in unstable for each in (1, 2, 12)] == [False, False, True]
    unstable.forget()
    assert 12 not in unstable
