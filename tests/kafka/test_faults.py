"""What a refusal says, and that nobody is asked what is missing unless something was refused."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from processor.errors import Forbidden, TopicError
from processor.kafka.clients import Cluster, Properties
from processor.kafka.faults import Causes, sort
from processor.kafka.permissions import Permission
from processor.kafka.subscription import KafkaSubscription
from processor.ports.log import LogUnavailable, Topic

CLUSTER = Cluster({"sasl.username": "shop"}, "group", {Topic.UPDATES: "updates"})
NEEDS = (
    CLUSTER.on_topic(Topic.UPDATES, "READ"),
    CLUSTER.on_group("READ"),
    CLUSTER.on_ids(),
)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "the user shop lacks READ on topic updates"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "the user shop lacks READ on group group"),
        (
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "the user shop lacks WRITE on transactional id group-*",
        ),
    ],
)
def test_a_refusal_names_what_is_missing_of_the_kind_that_was_refused(code: int, told: str) -> None:
    fault = sort(KafkaError(code), "reading", NEEDS)
    assert isinstance(fault, Forbidden)
    assert fault.message.endswith(f"({KafkaError(code).name()}): {told}")


def test_several_that_may_be_missing_are_named_each_once() -> None:
    needs = [Permission("READ", "topic", name) for name in ("a", "b", "a")]
    fault = sort(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "reading", needs)
    assert str(fault).endswith("whoever connects lacks READ on topic a or READ on topic b")


def test_describe_is_told_with_what_includes_it() -> None:
    needed = CLUSTER.on_topic(Topic.UPDATES, "DESCRIBE")
    fault = sort(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "asking", [needed])
    assert "DESCRIBE on topic updates (READ on topic updates includes it)" in str(fault)


def test_a_topic_that_looks_absent_may_be_hidden() -> None:
    fault = sort(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), "reading", NEEDS)
    assert isinstance(fault, TopicError)
    assert "looks absent to who lacks READ on topic updates" in fault.hint


def test_what_is_missing_is_not_asked_where_nothing_was_refused() -> None:
    asked: Iterator[Permission] = iter(NEEDS)
    assert isinstance(sort(KafkaError(KafkaError._TIMED_OUT), "reading", asked), LogUnavailable)
    assert len(list(asked)) == len(NEEDS)


def test_a_user_who_is_refused_is_told_where_nobody_answers() -> None:
    causes = Causes()
    refused = KafkaError(KafkaError._AUTHENTICATION, "invalid credentials")
    with pytest.raises(Forbidden, match="invalid credentials") as caught:
        _meet(causes, [[], [refused]])
    assert "PROCESSOR_KAFKA_SASL_PASSWORD" in caught.value.hint


def test_who_was_let_in_before_is_waited_out_and_told_of() -> None:
    """An outage of what knows the users does not end a service that runs."""
    causes = Causes()
    with causes.explaining(lambda _: None):
        pass
    refused = KafkaError(KafkaError._AUTHENTICATION, "invalid credentials")
    with pytest.raises(LogUnavailable, match=r"no answer: invalid credentials"):
        _meet(causes, [[], [refused]])


def test_a_certificate_that_is_refused_is_waited_out_and_told() -> None:
    with pytest.raises(LogUnavailable, match=r"no answer.*certificate"):
        _meet(Causes(), [[], [KafkaError(KafkaError._SSL, "certificate verify failed")]])


def test_a_refusal_of_before_is_not_the_cause() -> None:
    refused = KafkaError(KafkaError._AUTHENTICATION, "invalid credentials")
    with pytest.raises(LogUnavailable, match=r"^no answer$"):
        _meet(Causes(), [[refused], []])


def test_a_running_service_tells_why_its_brokers_are_away() -> None:
    nobody: Properties = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    subscription = KafkaSubscription(CLUSTER._replace(properties=nobody))
    subscription._member._on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert subscription.connection_error() == "1/1 brokers are down"
    subscription._member._on_error(KafkaError(KafkaError._AUTHENTICATION, "invalid credentials"))
    assert subscription.connection_error() == "invalid credentials"
    subscription.close()


def _meet(causes: Causes, said: list[list[KafkaError]]) -> None:
    """Get no answer; `said` is what the client calls back with, before and after."""

    def serve(_timeout: float) -> None:
        for error in said.pop(0):
            causes.note(error)

    with causes.explaining(serve):
        raise LogUnavailable("no answer")
