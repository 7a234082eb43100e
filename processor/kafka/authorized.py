"""Which of several permissions is missing, where a refusal does not say of which topic it is."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import AdminClient

from processor.errors import ProcessorError
from processor.kafka.clients import Cluster, common
from processor.kafka.faults import sorting
from processor.kafka.permissions import Permission
from processor.ports.log import LogUnavailable

_ANSWER_S: Final = 5.0


def denied(cluster: Cluster, needs: Sequence[Permission]) -> list[Permission]:
    """Return those of the needs, all of topics, that the brokers do not grant.

    All of them where the brokers do not tell. Blocks for seconds; raises nothing.
    """
    granted: dict[str, set[str]] = {each.name: set() for each in needs}
    doing = "asking what is granted"
    try:
        with sorting(doing):
            admin = AdminClient(common(cluster))  # type: ignore[arg-type]  # callbacks too
            asked = admin.describe_topics(
                TopicCollection(list(granted)),
                request_timeout=_ANSWER_S,
                include_authorized_operations=True,
            )
        for name, found in granted.items():
            # Who is refused has not even Describe, which comes with any other.
            with sorting(doing, but={KafkaError.TOPIC_AUTHORIZATION_FAILED}):
                operations = asked[name].result(_ANSWER_S + 1).authorized_operations
                found.update(each.name for each in operations or ())
    except (LogUnavailable, ProcessorError):
        return list(needs)
    return [each for each in needs if each.operation not in granted[each.name]] or list(needs)
