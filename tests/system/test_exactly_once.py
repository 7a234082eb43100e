"""Whatever is killed, stopped or lost: the output equals the oracle's."""

import signal
from itertools import islice
from random import Random

import mixed_formats
import pytest
import redis
from mixed_formats import mixed
from session_commands import commanded
from system.deployment import Deployment
from system.saboteur import ERASE_POINTS, POINTS

from processor.demo.traffic import updates

UPDATES = 26_000
CODECS = ("auto", "fastavro")
"""With the compiled codec, where it is installed, and without."""


@pytest.mark.parametrize("codec", CODECS)
def test_an_undisturbed_run_equals_the_oracle(deployment: Deployment, codec: str) -> None:
    deployment.environment["PROCESSOR_INPUT_FORMATS"] = mixed_formats.ALL
    sent = updates(6_000, seed=1, partition=deployment.partition)
    deployment.produce(mixed(sent, seed=1))
    process = deployment.run("--until-end", codec=codec)
    assert process.wait(180) == 0, process.log[-3000:]
    oracle = deployment.assert_exact()
    reasons = {letter.reason for each in oracle.values() for letter in each.dead_letters}
    assert len(reasons) == 7, reasons


def test_kills_at_every_point_and_a_flushed_redis_change_nothing(flushable: Deployment) -> None:
    _survives_kills(flushable, UPDATES, [*POINTS, *ERASE_POINTS])


def test_kills_change_nothing_on_the_oldest_broker(oldest: Deployment) -> None:
    _survives_kills(oldest, 7_000, list(POINTS))


def _survives_kills(deployment: Deployment, count: int, points: list[str]) -> None:
    """Two processes; one is killed at each point in turn, at a random batch; Redis is flushed.

    The codecs take turns, so that each reads what the other wrote.
    """
    seed = 20_261_123
    print(f"seed {seed}")  # noqa: T201  pytest shows it with a failure
    random = Random(seed)
    sent = updates(count, seed=seed, partition=deployment.partition)
    stream = commanded(sent, seed, 0.02, claiming=True)
    random.shuffle(points)
    steady = deployment.run(max_batch="300")
    for turn, point in enumerate(points):
        times = 2 if point in ERASE_POINTS else random.randint(2, 9)
        doomed = deployment.run_sabotaged(
            point, times, max_batch=f"{count // 350}", codec=CODECS[turn % 2]
        )
        doomed.await_log("partition ready")
        deployment.produce(islice(stream, count // (len(points) + 1)))
        assert doomed.wait(180) == -signal.SIGKILL, doomed.log[-3000:]
        if turn == len(points) // 2:
            client = redis.Redis.from_url(deployment.redis_url)
            client.flushall()
            client.close()
        if turn == 1:
            steady.signal(signal.SIGKILL)
            steady.wait()
            steady = deployment.run(max_batch="300", codec="fastavro")
    deployment.produce(stream)
    second = deployment.run()
    deployment.await_processed()
    steady.terminate()
    second.terminate()
    # What was flushed while a partition was idle is rebuilt by whoever owns it next.
    assert deployment.run("--until-end").wait(180) == 0
    deployment.assert_exact()


def test_an_owner_that_was_stopped_and_goes_on_changes_nothing(deployment: Deployment) -> None:
    """SIGSTOP past the session timeout, then SIGCONT: it finds itself fenced, and goes on."""
    stream = commanded(updates(12_000, seed=7, partition=deployment.partition), 7, 0.02)
    stopped = deployment.run(max_batch="100")
    stopped.await_log("partition ready", times=4)
    deployment.produce(islice(stream, 4_000))
    stopped.signal(signal.SIGSTOP)
    successor = deployment.run(max_batch="100")
    successor.await_log("partition ready", times=4)
    deployment.produce(islice(stream, 4_000))
    stopped.signal(signal.SIGCONT)
    stopped.await_log("assignment changed", times=2)
    deployment.produce(stream)
    deployment.await_processed()
    stopped.terminate()
    successor.terminate()
    deployment.assert_exact()
