"""Retention on real servers, while the very sessions that are due are updated."""

from itertools import islice

from oracle import decode_session
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import Mix, updates

MIX = Mix(rejects=0.02, sessions_at_once=12)
LONG_AGO = 1_717_200_000_000
KEPT = "cancelled"


def test_sessions_are_updated_at_the_very_moment_that_they_are_due(deployment: Deployment) -> None:
    """Whatever stands is due, at each sweep.

    Whether an update comes between a look and its command is chance: that such a command is passed
    over is shown by tests/runtime/test_commands.py. Here the output is exact either way.
    """
    processes = [sweeping(deployment), sweeping(deployment)]
    for process in processes:
        process.await_log("partition ready", times=2)
    traffic = updates(8_000, seed=19, mix=MIX, partition=deployment.partition)
    stream = (each._replace(timestamp=LONG_AGO) for each in traffic)
    for slices in range(400):
        # A few at a time, so that a slow process keeps up: who is far behind does not sweep.
        deployment.produce(islice(stream, 20))
        if slices % 100 == 99:
            deployment.await_processed()
        if slices == 100:
            processes[0].terminate()
    eventually("all that is due has ended", lambda: states(deployment) <= {KEPT})
    processes[1].terminate()
    last = deployment.run("--until-end")
    assert last.wait(180) == 0, last.log[-3000:]
    results = deployment.assert_exact()
    ends = [each for of in results.values() for each in of.snapshots if each.value is None]
    assert len(ends) > 200
    assert states(deployment) <= {KEPT}
    assert "output swept" in processes[1].log


def sweeping(deployment: Deployment) -> Process:
    return deployment.run(max_batch="100", retain_open="1s", retain_closed="1s")


def states(deployment: Deployment) -> set[str]:
    sessions = deployment.redis_sessions().values()
    return {decode_session(value)["state"] for of in sessions for value in of.values()}
