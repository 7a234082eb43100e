"""What a command says when a server does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from processor.errors import Unavailable
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost
from processor.ports.registry import RegistryUnavailable
from processor.ports.sessions import CacheUnavailable


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unavailable, naming the setting to look at, where a server does not answer inside."""
    try:
        yield
    except (LogUnavailable, BatchAborted, ProducerLost) as fault:
        raise Unavailable(
            f"Kafka did not answer: {fault}",
            hint="is it running where PROCESSOR_BOOTSTRAP_SERVERS says? Then try again",
        ) from fault
    except CacheUnavailable as fault:
        raise Unavailable(
            f"Redis did not answer: {fault}",
            hint="is it running where PROCESSOR_REDIS_URL says? Then try again",
        ) from fault
    except RegistryUnavailable as fault:
        raise Unavailable(
            f"the schema registry did not answer: {fault}",
            hint="is it running where PROCESSOR_SCHEMA_REGISTRY_URL says? Then try again",
        ) from fault
