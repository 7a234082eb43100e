"""Removing all that stands under a prefix, by the layout alone: no other key is looked at."""

from processor.redis.connection import Server
from processor.redis.keys import Keys


def remove(server: Server, keys: Keys, partitions: int) -> None:
    """Remove the sessions, claims and descriptions of so many partitions.

    Raises CacheUnavailable and Forbidden; to be called again then.
    """
    for partition in range(partitions):
        pointers = keys.current(partition), keys.latest(partition)
        named = server.ask(*(("GET", pointer) for pointer in pointers))
        for generation in {each.decode() for each in named if each}:
            server.ask(("UNLINK", keys.sessions(partition, generation)))
        for pointer in pointers:
            server.ask(("UNLINK", pointer))
    remove_claims(server, keys)
    for name in (keys.building(), keys.meta(), keys.schemas()):
        server.ask(("UNLINK", name))


def remove_claims(server: Server, keys: Keys) -> None:
    """Remove the claims, so that whoever needs them reads their topic. Raises as `remove` does."""
    (generation,) = server.ask(("HGET", keys.claims(), "generation"))
    server.ask(("UNLINK", keys.claims()))
    if generation:
        server.ask(("UNLINK", keys.holders(generation.decode())))
