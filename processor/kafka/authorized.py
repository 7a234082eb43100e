"""Which of several permissions is missing, where a refusal does not say of which topic it is."""

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from processor.kafka.clients import Cluster, common
from processor.kafka.permissions import Permission

_ANSWER_S: Final = 5.0


def denied(cluster: Cluster, needs: Sequence[Permission]) -> list[Permission]:
    """Return those of the needs, all of topics, that the brokers do not grant.

    All of them where the brokers do not tell. Blocks for seconds; raises nothing.
    """
    names = list({each.name for each in needs})
    try:
        admin = AdminClient(common(cluster))  # type: ignore[arg-type]  # callbacks too
        asked = admin.describe_topics(
            TopicCollection(names), request_timeout=_ANSWER_S, include_authorized_operations=True
        )
        granted = {name: _granted(asked[name]) for name in names}
    except (KafkaException, TimeoutError):
        return list(needs)
    return [each for each in needs if each.operation not in granted[each.name]] or list(needs)


def _granted(future: Any) -> set[str]:
    try:
        return {each.name for each in future.result(_ANSWER_S + 1).authorized_operations or ()}
    except KafkaException as exception:
        if exception.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return set()  # not even Describe, which comes with any other
        raise
