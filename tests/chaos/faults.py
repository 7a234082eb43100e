"""What the chaos test does to servers and processes. Each fault begins, lasts, and is over."""

import signal
import time
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

import redis
from chaos.scene import Scene
from system.process import eventually

Fault = Callable[[Scene, Random], None]
"""Blocks until the fault is over: what was taken away answers again."""

_FROZEN_S: Final = (3.0, 12.0)
_AWAY_S: Final = (0.5, 5.0)


class Named(NamedTuple):
    """A fault as the trace tells it."""

    name: str
    act: Fault


def _last(seconds: tuple[float, float], random: Random) -> None:
    """Let a fault last: this time is the fault itself, nothing is awaited."""
    time.sleep(random.uniform(*seconds))


# Brokers


def kill_broker(scene: Scene, random: Random) -> None:
    broker = scene.cluster.brokers[random.choice(list(scene.cluster.brokers))]
    broker.kill()
    _last(_AWAY_S, random)
    broker.launch()


def stop_broker(scene: Scene, random: Random) -> None:
    broker = scene.cluster.brokers[random.choice(list(scene.cluster.brokers))]
    broker.stop()
    _last(_AWAY_S, random)
    broker.launch()


def freeze_broker(scene: Scene, random: Random) -> None:
    broker = scene.cluster.brokers[random.choice(list(scene.cluster.brokers))]
    broker.pause()
    try:
        _last(_FROZEN_S, random)
    finally:
        broker.resume()


# Processes


def kill_process(scene: Scene, random: Random) -> None:
    member = random.choice(scene.members)
    scene.remove(member)
    member.kill()
    _last(_AWAY_S, random)
    scene.add_member()


def freeze_process(scene: Scene, random: Random) -> None:
    member = random.choice(scene.members)
    member.signal(signal.SIGSTOP)
    try:
        _last(_FROZEN_S, random)
    finally:
        member.signal(signal.SIGCONT)


def end_process(scene: Scene, random: Random) -> None:
    scene.terminate(random.choice(scene.members))
    scene.add_member()


# Redis


def stop_redis(scene: Scene, random: Random) -> None:
    scene.valkey.stop()
    _last(_AWAY_S, random)
    scene.valkey.launch()


def kill_redis(scene: Scene, random: Random) -> None:
    scene.valkey.kill()
    _last(_AWAY_S, random)
    scene.valkey.launch()


def freeze_redis(scene: Scene, random: Random) -> None:
    scene.valkey.pause()
    try:
        _last(_FROZEN_S, random)
    finally:
        scene.valkey.resume()


def flush_redis(scene: Scene, _random: Random) -> None:
    with scene.redis() as client:
        client.flushall()


def flush_scripts(scene: Scene, _random: Random) -> None:
    with scene.redis() as client:
        client.script_flush()


def cut_clients(scene: Scene, _random: Random) -> None:
    with scene.redis() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]


def delete_keys(scene: Scene, random: Random) -> None:
    with scene.redis() as client:
        ours = sorted(client.scan_iter(match=f"*{scene.deployment.names.prefix}*", count=1000))
        if ours:
            client.delete(*random.sample(ours, min(len(ours), random.randint(1, 3))))


def fill_memory(scene: Scene, random: Random) -> None:
    with scene.redis() as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used * random.uniform(0.8, 1.02)))
    try:
        _last((2.0, 8.0), random)
    finally:

        def lifted() -> bool:
            try:
                with scene.redis() as client:
                    return bool(client.config_set("maxmemory", 0))
            except redis.RedisError:
                return False

        eventually("maxmemory is lifted", lifted, 30)


GROUPS: Final = {
    "brokers": [
        Named("a broker is killed", kill_broker),
        Named("a broker is stopped politely", stop_broker),
        Named("a broker is frozen", freeze_broker),
    ],
    "processes": [
        Named("a process is killed", kill_process),
        Named("a process is frozen", freeze_process),
        Named("a process is told to end", end_process),
    ],
    "Redis": [
        Named("Redis is stopped", stop_redis),
        Named("Redis is killed", kill_redis),
        Named("Redis is frozen", freeze_redis),
        Named("Redis is flushed", flush_redis),
        Named("Redis' scripts are flushed", flush_scripts),
        Named("Redis' clients are cut", cut_clients),
        Named("single keys of ours are deleted", delete_keys),
        Named("Redis is full", fill_memory),
    ],
}
"""At most one of a group acts at a time: two would undo each other."""
