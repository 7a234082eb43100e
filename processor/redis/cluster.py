"""The link to a Redis Cluster: which node has a slot, and what to do when it has it no more.

redis-py's own pipeline for clusters is not used: it repeats single commands for as long as it likes
where a node is away, and wants the right to `COMMAND`. Here each node has a client of its own, and
one pipeline a node takes what belongs there.
"""

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final

import redis
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,  # noqa: A004  redis-py's name for it
    MovedError,
    RedisError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from processor.redis.address import Node
from processor.redis.links import Argument, Keyed, client_of

_ATTEMPTS: Final = 3
"""How often one command may be sent on: moved, moved again while the map was read, and once more.

A node that does not answer in time is not asked again within the call.
"""
_TIMEOUT_S: Final = 5.0
_MAP_S: Final = 1.0
"""Seconds that a node has at least to say who has what: with the others' turns they fill a call."""
_LATE: Final = "the time for this call was over before this node's turn"


class ClusterLink:
    """The link to every primary of a cluster; which they are is asked of any node.

    What a node answers with MOVED or ASK goes where it points; where a node is gone, the map is
    read anew. All else (CLUSTERDOWN, TRYAGAIN, a timeout) is the caller's to try again later, with
    a new map.

    Nodes are asked one by one, but none once the time that one of them has is over since the call
    began: however many are silent, it takes little longer than with one. Those that did not answer
    before are asked last.
    """

    def __init__(self, seeds: Sequence[Node], options: dict[str, Any]) -> None:
        self._seeds = seeds
        self._options = options
        self._clients: dict[Node, redis.Redis] = {}
        self._primaries: dict[int, Node] = {}
        # Whom to ask for the map, those that failed last at the end.
        self._order: list[Node] = list(seeds)
        self._told: Node | None = None
        """Who gave the map."""
        self._timeout: float = options.get("socket_timeout", _TIMEOUT_S)
        self._until = 0.0
        self._silent: set[Node] = set()
        """Who did not answer when asked last."""

    def exchange(self, commands: Sequence[Keyed]) -> list[Any]:
        """Return the answer of each command, in one round trip to each node that is concerned."""
        self._until = monotonic() + self._timeout
        answers: list[Any] = [None] * len(commands)
        pending: Sequence[int] = range(len(commands))
        for _ in range(_ATTEMPTS):
            self._send(commands, pending, answers)
            pending = [at for at in pending if self._is_elsewhere(answers[at])]
            if not pending:
                break
        return [
            self._follow(answer, commands[at].command) if isinstance(answer, AskError) else answer
            for at, answer in enumerate(answers)
        ]

    def everywhere(self, command: Sequence[Argument]) -> list[Any]:
        """Return the answer of each primary."""
        self._until = monotonic() + self._timeout
        self._learn()
        primaries = sorted(set(self._primaries.values()))
        return [answer for node in primaries for answer in self._at(node, [command])]

    def renew(self) -> None:
        """Forget which node has what; connections are closed.

        Another node is asked next: one that is cut off from the others answers by its old map.
        """
        self._primaries = {}
        if self._told is not None:
            self._suspect(self._told)
        for client in self._clients.values():
            client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections. Raises nothing."""
        for client in self._clients.values():
            client.close()

    def _send(self, commands: Sequence[Keyed], pending: Iterable[int], answers: list[Any]) -> None:
        self._learn()
        places: dict[Node, list[int]] = {}
        for at in pending:
            slot = key_slot(commands[at].key.encode())
            node = self._primaries.get(slot)
            if node is None:
                raise ClusterDownError(f"no node serves the slot {slot}")
            places.setdefault(node, []).append(at)
        for node, here in sorted(places.items(), key=lambda place: place[0] in self._silent):
            for at, answer in zip(
                here, self._at(node, [commands[at].command for at in here]), strict=True
            ):
                answers[at] = answer

    def _is_elsewhere(self, answer: Any) -> bool:
        """Whether the command is to be sent again, by the map as it is after this."""
        if isinstance(answer, MovedError):
            if answer.host and self._primaries:
                self._primaries[answer.slot_id] = _named(answer)
            else:
                self._primaries = {}  # it names no host: the map does, by who is asked for it
            return True
        if isinstance(answer, ConnectionError):
            self._primaries = {}
            return True
        return False

    def _follow(self, error: AskError, command: Sequence[Argument]) -> Any:
        """Return what the node answers to which a key of a moving slot has moved already."""
        answer: Any = error
        if error.host and not isinstance(error, MovedError):
            asking, answer = self._at(_named(error), [("ASKING",), command])
            if isinstance(asking, RedisError):
                return asking
        if isinstance(answer, AskError):
            return TryAgainError(f"the nodes disagree about the slot {error.slot_id}")
        return answer

    def _at(self, node: Node, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Return what a node answers; one that does not answer stands for each answer."""
        if monotonic() > self._until:
            return [TimeoutError(_LATE)] * len(commands)
        try:
            pipeline = self._client(node).pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            answers = pipeline.execute(raise_on_error=False)
        except RedisError as error:
            self._silent.add(node)
            self._suspect(node)
            return [error] * len(commands)
        self._silent.discard(node)
        return answers

    def _learn(self) -> None:
        """Read the map unless it is known. Raises what the last node that was asked did."""
        if self._primaries:
            return
        failed: RedisError | None = None
        for node in [*self._order]:
            if failed and monotonic() > self._until:
                break
            try:
                self._primaries, self._told = self._map_of(node), node
            except (ConnectionError, TimeoutError) as error:
                failed = error
                self._suspect(node)
                continue
            break
        if not self._primaries:
            raise failed or ClusterDownError("no node serves any slot")
        nodes = set(self._primaries.values())
        self._order += [each for each in sorted(nodes) if each not in self._order]
        self._order = [each for each in self._order if each in nodes or each in self._seeds]
        for gone in self._clients.keys() - set(self._order):
            self._clients.pop(gone).close()

    def _map_of(self, node: Node) -> dict[int, Node]:
        """Return the primary of each slot, as a node says; raises what it does."""
        timeout = min(self._timeout, max(_MAP_S, self._timeout / len(self._order)))
        brief = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        with client_of({**self._options, **brief, "host": node[0], "port": node[1]}) as client:
            return _primaries(client.execute_command("CLUSTER SLOTS"), node)

    def _suspect(self, node: Node) -> None:
        if node in self._order:
            self._order.remove(node)
            self._order.append(node)

    def _client(self, node: Node) -> redis.Redis:
        if node not in self._clients:
            host, port = node
            self._clients[node] = client_of({**self._options, "host": host, "port": port})
        return self._clients[node]


def _named(error: AskError) -> Node:
    return error.host, error.port


def _primaries(answer: Any, asked: Node) -> dict[int, Node]:
    """Return the primary of each slot; a node without a host is where the asked one is."""
    return {
        slot: ((primary[0] or b"").decode() or asked[0], int(primary[1]))
        for first, last, primary, *_ in answer
        for slot in range(int(first), int(last) + 1)
    }
