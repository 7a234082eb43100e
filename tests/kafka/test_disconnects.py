"""What a producer makes of connections that it loses, by the lines of the client's log."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from processor.kafka import producer
from processor.kafka.clients import Cluster
from processor.kafka.disconnects import Disconnects
from processor.kafka.publication import KafkaPublication
from processor.ports.log import BatchAborted, Committed, ProducerLost, Topic

UP = "TxnCoordinator: 127.0.0.1:9092: Disconnected (after 2ms in state UP)"
REFUSED = "127.0.0.1:9092/1: Connect to it failed: Connection refused (after 0ms in state CONNECT)"


class Client:
    """A transactional producer of which a test says what happens in a step."""

    made: "Client"

    def __init__(self, properties: dict[str, object], logger: Disconnects) -> None:
        self.__class__.made = self
        self.properties = properties
        self.during: dict[str, Callable[[], None]] = {}
        self._logger = logger
        self._lines: list[str] = []

    def loses(self, *lines: str) -> None:
        self._lines += lines

    def poll(self, _seconds: float) -> int:
        """Tell of what happened: not before it is asked, as the client does."""
        while self._lines:
            self._logger.log(20, "%s [%s] %s", "FAIL", "it", self._lines.pop(0))
        return 0

    def flush(self, seconds: float) -> int:
        self._happens("flush")
        return self.poll(seconds)

    def init_transactions(self, _seconds: float) -> None:
        self._happens("init")

    def begin_transaction(self) -> None:
        self._happens("begin")

    def send_offsets_to_transaction(self, *_arguments: object) -> None:
        self._happens("offsets")

    def commit_transaction(self, _seconds: float) -> None:
        self._happens("commit")

    def abort_transaction(self, _seconds: float) -> None:
        self._happens("abort")

    def purge(self) -> None: ...

    def _happens(self, step: str) -> None:
        self.during.pop(step, lambda: None)()


@pytest.fixture
def publication(monkeypatch: pytest.MonkeyPatch) -> KafkaPublication:
    monkeypatch.setattr(producer, "Producer", Client)
    made = KafkaPublication(Cluster({}, "group", dict.fromkeys(Topic, "topic")), lambda: False)
    made.replace()
    return made


def commit(publication: KafkaPublication) -> None:
    publication.begin()
    publication.flush()
    publication.commit({0: Committed(1, "")}, object())


@pytest.mark.parametrize("step", ["offsets", "commit"])
def test_no_transaction_begins_after_one_whose_end_may_arrive_late(
    publication: KafkaPublication, step: str
) -> None:
    """The commit stands: it was answered. The next id goes on as if nothing had been."""
    assert Client.made.properties["log_level"] == 6, "it tells of it in lines of that level"
    commit(publication)
    Client.made.during[step] = lambda: Client.made.loses(REFUSED, UP)
    commit(publication)
    before = publication.identity()
    for _ in range(2):
        with pytest.raises(ProducerLost, match="may arrive late"):
            publication.begin()
    publication.replace()
    assert publication.identity() != before
    commit(publication)
    commit(publication)


def test_an_abort_and_a_step_that_failed_count_too(publication: KafkaPublication) -> None:
    def fail() -> None:
        Client.made.loses(UP)
        error = KafkaError(KafkaError.ILLEGAL_GENERATION, txn_requires_abort=True)
        raise KafkaException(error)

    Client.made.during["offsets"] = fail
    with pytest.raises(BatchAborted):
        commit(publication)
    publication.abort()
    with pytest.raises(ProducerLost, match="may arrive late"):
        publication.begin()

    publication.replace()
    publication.begin()
    Client.made.during["abort"] = lambda: Client.made.loses(UP)
    publication.abort()
    with pytest.raises(ProducerLost, match="may arrive late"):
        publication.begin()


def test_what_is_lost_between_steps_or_never_was_up_does_not_count(
    publication: KafkaPublication,
) -> None:
    """A broker that is away for seconds: its connection is lost once, then refused again and again.

    Nor does a step count that the client only waits long for: what was sent once arrives once.
    """
    for step in ("init", "begin", "flush"):
        Client.made.during[step] = lambda: Client.made.loses(UP)
        commit(publication)
    Client.made.loses(UP)
    publication.begin()
    Client.made.during["commit"] = lambda: Client.made.loses(REFUSED, REFUSED)
    commit(publication)

    def late() -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, retriable=True))

    Client.made.during["commit"] = late
    commit(publication)
    commit(publication)


def test_a_loss_that_the_client_does_not_tell_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells of no loss that is like the last one, for half a minute; to ask again takes time."""
    now = 100.0

    def step(seconds: float, *lines: str) -> bool:
        nonlocal now
        with disconnects.noticed(lambda _seconds: 0):
            now += seconds
            for line in lines:
                disconnects.log(20, "", "FAIL", "it", line)
        try:
            disconnects.refuse_if_late()
        except ProducerLost:
            return False
        return True

    disconnects = Disconnects({}, lambda: now)
    assert step(5.0, REFUSED)
    disconnects.log(20, "", "FAIL", "it", UP)
    assert step(0.04), "nothing is sent twice so soon"
    now += 31.0
    assert step(5.0), "it would have been told"
    disconnects.log(20, "", "FAIL", "it", UP)
    now += 10.0
    assert not step(0.06)
    assert not step(0.01), "for good"

    disconnects = Disconnects({"retry.backoff.ms": 1_000, "log_level": 7}, lambda: now)
    disconnects.log(10, "", "FAIL", "it", "of another form")
    assert step(0.4)
    assert not step(0.6)
    assert capsys.readouterr().err == "FAIL|it| of another form\n", "what was asked for is shown"
