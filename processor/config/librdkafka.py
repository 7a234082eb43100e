"""Which properties librdkafka knows, as it says itself: without a client, and without a connection.

A client is asked for with the property and, behind it, one that nobody knows. The library takes
them in their order, so its complaint is of the first that it does not take.
"""

from typing import Final

from confluent_kafka import KafkaException, Producer

_NOBODYS: Final = "session-processor.end"
_UNKNOWN: Final = "No such"
"""How the library begins what it says of a property that it does not have."""
_NEED_A_PROGRAM: Final = frozenset({"logger", "on_commit", "default.topic.config"})
"""What the library for Python takes for itself, besides functions."""
_RUN_AT_ONCE: Final = frozenset({"plugin.library.paths"})

_OTHERS: Final = {
    "sasl.jaas.config": "give sasl.username, and PROCESSOR_KAFKA_SASL_PASSWORD",
    "basic.auth.user.info": "give PROCESSOR_SCHEMA_REGISTRY_USER and …_PASSWORD",
    "basic.auth.credentials.source": "give PROCESSOR_SCHEMA_REGISTRY_USER and …_PASSWORD",
    "schema.registry.url": "give PROCESSOR_SCHEMA_REGISTRY_URL",
    "fetch.max.wait.ms": "give fetch.wait.max.ms",
    "buffer.memory": "give queue.buffering.max.kbytes",
    "ssl.truststore.location": "give ssl.ca.location, a file in PEM",
    "ssl.truststore.password": "give ssl.ca.location, a file in PEM",
    "default.api.timeout.ms": "give socket.timeout.ms",
}
"""Properties of the clients in Java, and what stands for them here."""


def refusal(name: str, value: str, *, secret: bool) -> str | None:
    """Return why librdkafka does not take a property, for people; None where it does.

    A value that is `secret` is not repeated.
    """
    if not name.isprintable():  # it would be cut at a NUL
        return f"{name!r} is no property of librdkafka"
    if name in _OTHERS:
        return f"{name} is no property of librdkafka: {_OTHERS[name]}"
    said = _complaint(name, value)
    if said is None:
        return None
    if said.startswith(_UNKNOWN):
        return f"{name} is no property of librdkafka{_instead(name)}"
    if secret:
        return f"{name} has a value that librdkafka does not take"
    return f"{name}: {said.strip()}"


def _instead(name: str) -> str:
    plain = name.strip().lower().replace("_", ".").replace("-", ".")
    known = plain != name and not (_complaint(plain, "") or "").startswith(_UNKNOWN)
    return f": write {plain}" if known else ""


def _complaint(name: str, value: str) -> str | None:
    if name in _RUN_AT_ONCE:
        return None
    if name in _NEED_A_PROGRAM or name.endswith("_cb"):
        return f"{name} is for programs"
    try:
        Producer({name: value, _NOBODYS: ""})
    except TypeError:
        return f"{name} is for programs"
    except KafkaException as exception:
        said = str(exception.args[0].str())
        return None if f'"{_NOBODYS}"' in said else said
    return None
