"""Several local Valkeys that belong together: a Redis Cluster, a primary that Sentinels watch."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot
from servers import Places

from processor.local.ports import free_port
from processor.local.valkey import LocalValkey

_SLOTS = 16384


def awaited(what: str, holds: Callable[[], bool], timeout: float = 20.0) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def command(valkey: LocalValkey, *words: str | int) -> Any:
    """Return what one server answers to one command."""
    with redis.Redis.from_url(valkey.url, socket_timeout=5) as client:
        return client.execute_command(*words)


class ValkeyCluster:
    """Three primaries, and a replica of the first, which fails over only when it is told to."""

    def __init__(self, places: Places) -> None:
        self.buses: dict[int, int] = {}
        self.primaries = [self._start(places, f"cluster-{each}") for each in range(3)]
        self.replica = self._start(places, "cluster-replica")
        nodes = [*self.primaries, self.replica]
        share = _SLOTS // 3
        for each, primary in enumerate(self.primaries):
            last = _SLOTS - 1 if each == 2 else (each + 1) * share - 1
            command(primary, "CLUSTER", "ADDSLOTSRANGE", each * share, last)
            command(primary, "CLUSTER", "SET-CONFIG-EPOCH", each + 1)
        for node in nodes[1:]:
            command(nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, self.buses[node.port])
        awaited("all know all", lambda: all(self._knows(each) == 4 for each in nodes))
        self.replicate()
        self.await_ok()

    def _start(self, places: Places, name: str) -> LocalValkey:
        port, bus = free_port(), free_port()
        self.buses[port] = bus
        properties = {
            "cluster-enabled": "yes",
            "cluster-port": str(bus),
            "cluster-node-timeout": "1000",
            "cluster-replica-no-failover": "yes",
            "repl-diskless-sync-delay": "0",
        }
        return LocalValkey.start(places.guarded(name), port, properties=properties)

    @property
    def url(self) -> str:
        """What the processor is told; the node named first need not be the one that is asked."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in self.primaries)

    def client(self) -> redis.RedisCluster:
        """Return redis-py's own client."""
        return redis.RedisCluster(host="127.0.0.1", port=self.primaries[-1].port)

    def on_first(self, *tags: str) -> bool:
        """Whether the first primary has the slot of each tag."""
        return all(key_slot(tag.encode()) < _SLOTS // 3 for tag in tags)

    def replicate(self) -> None:
        """Have the replica follow the first primary, and wait until it does."""
        primary = command(self.primaries[0], "CLUSTER", "MYID").decode()
        command(self.replica, "CLUSTER", "REPLICATE", primary)
        awaited("the replica follows", self._follows)

    def await_ok(self, *asked: LocalValkey) -> None:
        """Return once these, or else all primaries, serve."""
        running = asked or self.primaries
        awaited(
            "the cluster is up",
            lambda: all(
                b"cluster_state:ok" in _raw(command(each, "CLUSTER", "INFO")) for each in running
            ),
        )

    @contextmanager
    def moving(self, key: str) -> Iterator[Callable[..., None]]:
        """Have a key's slot move while the context lasts; yield what moves single keys of it."""
        slot = key_slot(key.encode())
        source = next(each for each in self.primaries if _serves(each, slot, each))
        target = next(each for each in self.primaries if each is not source)
        own, other = (command(each, "CLUSTER", "MYID").decode() for each in (source, target))
        command(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", own)
        command(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", other)

        def move(*keys: str) -> None:
            place: list[str | int] = ["127.0.0.1", target.port, "", 0, 5000]
            assert command(source, "MIGRATE", *place, "KEYS", *keys) in {b"OK", "OK", True}

        yield move
        for each in (target, source):
            command(each, "CLUSTER", "SETSLOT", slot, "NODE", other)
        everyone = [*self.primaries, self.replica]
        awaited("all know of it", lambda: all(_serves(each, slot, target) for each in everyone))

    def lose(self, write: Callable[[], None]) -> None:
        """Kill the first primary; its replica goes on without anything that `write` wrote.

        The replica is stopped and its link is cut meanwhile, so that nothing waits in its socket.
        """
        self.replica.pause()
        command(self.primaries[0], "CLIENT", "KILL", "TYPE", "replica")
        write()
        self.primaries[0].kill()
        self.replica.resume()

    def take_over(self) -> None:
        """Make the replica a primary, with what it has."""
        command(self.replica, "CLUSTER", "FAILOVER", "TAKEOVER")
        self.primaries[0], self.replica = self.replica, self.primaries[0]

    def fail_over(self) -> None:
        """Have the first primary and its replica change places, with nothing lost."""
        command(self.replica, "CLUSTER", "FAILOVER")
        awaited("a failover", lambda: command(self.replica, "ROLE")[0] == b"master")
        self.primaries[0], self.replica = self.replica, self.primaries[0]
        awaited("the replica follows", self._follows)

    def await_following(self) -> None:
        """Return once the replica follows, which one that was a primary has to find out first."""
        awaited("the replica is one", lambda: command(self.replica, "ROLE")[0] == b"slave")
        awaited("the replica follows", self._follows)
        self.await_ok()

    def await_replicated(self) -> None:
        """Return once the replica has all that was written so far."""

        def same() -> bool:
            ours, theirs = (
                command(each, "INFO", "replication")["master_repl_offset"]
                for each in (self.primaries[0], self.replica)
            )
            return bool(ours == theirs)

        awaited("the replica has everything", same)

    def kill(self) -> None:
        for each in (*self.primaries, self.replica):
            each.kill()

    def _knows(self, node: LocalValkey) -> int:
        lines = _raw(command(node, "CLUSTER", "NODES")).splitlines()
        return sum(b"connected" in line and b"handshake" not in line for line in lines)

    def _follows(self) -> bool:
        return b"master_link_status:up" in _raw(command(self.replica, "INFO", "replication"))


def _serves(asked: LocalValkey, slot: int, owner: LocalValkey) -> bool:
    return any(
        first <= slot <= last and primary[1] == owner.port
        for first, last, primary, *_ in command(asked, "CLUSTER", "SLOTS")
    )


class LocalSentinel(LocalValkey):
    """One Sentinel: the same program with another configuration."""

    name = "Sentinel"
    watched: LocalValkey
    password: str

    @classmethod
    def watching(cls, directory: Path, primary: LocalValkey, password: str) -> "LocalSentinel":
        sentinel = cls(directory, free_port())
        sentinel.watched, sentinel.password = primary, password
        sentinel.launch()
        return sentinel

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        self._config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.data_dir}\n"
            f"requirepass {self.password}\n"
            f"sentinel monitor mymaster 127.0.0.1 {self.watched.port} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\n"
            "sentinel failover-timeout mymaster 2000\n"
        )

    def _command(self) -> Sequence[str]:
        return [*super()._command(), "--sentinel"]


class Watched:
    """A primary and its replica, watched by one Sentinel that asks for a password."""

    PASSWORD = "planted-for-sentinel"  # noqa: S105

    def __init__(self, places: Places) -> None:
        fast = {"repl-diskless-sync-delay": "0"}
        self.primary = LocalValkey.start(places.guarded("watched-primary"), properties=fast)
        self.replica = LocalValkey.start(
            places.guarded("watched-replica"),
            properties={**fast, "replicaof": f"127.0.0.1 {self.primary.port}"},
        )
        awaited(
            "the replica follows",
            lambda: b"master_link_status:up" in _raw(command(self.replica, "INFO", "replication")),
        )
        self.sentinel = LocalSentinel.watching(
            places.guarded("sentinel"), self.primary, self.PASSWORD
        )
        awaited("the Sentinel knows the replica", lambda: bool(self._replicas()))

    @property
    def url(self) -> str:
        """What the processor is told; nobody listens at the first Sentinel's place."""
        return (
            f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/mymaster"
            f"?sentinel_password={self.PASSWORD}"
        )

    def client(self) -> redis.Redis:
        """Return redis-py's own client of the primary of the moment."""
        sentinel = redis.Sentinel(  # type: ignore[no-untyped-call]
            [("127.0.0.1", self.sentinel.port)], sentinel_kwargs={"password": self.PASSWORD}
        )
        client: redis.Redis = sentinel.master_for("mymaster")  # type: ignore[no-untyped-call]
        return client

    def failed_over(self) -> bool:
        """Whether the replica is the primary now, and the Sentinel says so."""
        answer = command(self.sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
        try:
            role = command(self.replica, "ROLE")[0]
        except redis.ConnectionError:
            return False  # it drops its connections when it becomes the primary
        return int(answer[1]) == self.replica.port and role == b"master"

    def _replicas(self) -> Any:
        answer = command(self.sentinel, "SENTINEL", "REPLICAS", "mymaster")
        return [each for each in answer if each[b"flags"] == b"slave" and each[b"runid"]]

    def kill(self) -> None:
        for each in (self.sentinel, self.primary, self.replica):
            each.kill()


def _raw(answer: Any) -> bytes:
    """Return an answer as the server wrote it, where redis-py made a dictionary of it."""
    if isinstance(answer, dict):
        return "\n".join(f"{name}:{value}" for name, value in answer.items()).encode()
    return answer.encode() if isinstance(answer, str) else bytes(answer)
