"""What a command says when a server does not answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from processor.errors import Unavailable
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost
from processor.ports.servers import Server, ServerUnavailable

_KNOWN_AS: Final[Mapping[Server, tuple[str, str]]] = {
    "kafka": ("Kafka", "PROCESSOR_BOOTSTRAP_SERVERS"),
    "redis": ("Redis", "PROCESSOR_REDIS_URL"),
    "registry": ("the schema registry", "PROCESSOR_SCHEMA_REGISTRY_URL"),
}


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unavailable, naming the setting to look at, where a server does not answer inside."""
    try:
        yield
    except (ServerUnavailable, BatchAborted, ProducerLost) as fault:
        server = fault.server if isinstance(fault, ServerUnavailable) else LogUnavailable.server
        name, setting = _KNOWN_AS[server]
        raise Unavailable(
            f"{name} did not answer: {fault}",
            hint=f"is it running where {setting} says? Then try again",
        ) from fault
