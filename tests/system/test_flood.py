"""A flood of garbage into one partition of the real service: it stops there and nowhere else."""

from collections.abc import Iterator

import redis
from system.deployment import Deployment
from system.process import Process, eventually
from system.test_telling import metrics

from processor.demo.traffic import DemoUpdate, updates

FLOODED = 2
IN_A_ROW = 50
MAX_BATCH = 200
LIMITED = {"max_consecutive_dead_letters": str(IN_A_ROW), "max_batch": str(MAX_BATCH)}


def garbage(count: int) -> Iterator[DemoUpdate]:
    for number in range(count):
        value = b"no avro %d" % number
        yield DemoUpdate(b"1:x", value, (), 1_717_200_000_000 + number, FLOODED)


def ends(deployment: Deployment) -> dict[int, int]:
    return {partition: end for partition, (_, end) in deployment._extents(deployment.names.updates)}


def await_others(deployment: Deployment) -> None:
    """Return once all partitions but the flooded one are at their ends."""
    wanted = ends(deployment)
    del wanted[FLOODED]
    eventually("the others processed", lambda: wanted.items() <= deployment.committed().items())


def halted(process: Process) -> bool:
    return metrics(process).get(f"halted {FLOODED}") == 1


def test_one_partition_halts_the_others_go_on_and_a_restart_goes_on_with_it(
    deployment: Deployment,
) -> None:
    process = deployment.run(**LIMITED)
    process.await_log("partition ready", times=deployment.partitions)
    deployment.produce(updates(1_000, seed=61, partition=deployment.partition))
    deployment.await_processed()
    assert process.ready()
    before = ends(deployment)[FLOODED]

    deployment.produce(garbage(2_000))
    eventually("it halts", lambda: halted(process))
    deployment.produce(updates(1_000, seed=62, partition=deployment.partition))
    await_others(deployment)
    stands = deployment.committed()[FLOODED]
    assert before + IN_A_ROW < stands <= before + IN_A_ROW + MAX_BATCH

    ready, body = process.probe("/readyz")
    assert not ready
    ((subject, reason),) = body["reasons"].items()
    assert subject == f"dead letters of partition {FLOODED}"
    for part in (f"MAX_CONSECUTIVE_DEAD_LETTERS={IN_A_ROW}", "dead-letters list", "start"):
        assert part in reason
    assert process.probe("/livez")[0]
    told = metrics(process)
    assert [told[f"halted {each}"] for each in range(4)] == [0, 0, 1, 0]
    assert told["halts_total consecutive"] == 1
    assert process.log.count("partition halted") == 1
    listed = deployment.command("dead-letters", "list", "--partition", str(FLOODED))
    assert listed.returncode == 0
    assert "undecodable" in listed.stdout

    process.terminate()
    assert deployment.committed()[FLOODED] == stands

    again = deployment.run(**LIMITED)
    again.await_log("partition halted")
    further = deployment.committed()[FLOODED]
    assert stands + IN_A_ROW < further <= stands + IN_A_ROW + MAX_BATCH
    again.terminate()

    off = deployment.run()
    deployment.await_processed()
    assert off.ready()
    assert not halted(off)
    off.terminate()
    deployment.assert_exact()


def test_it_stays_halted_while_others_come_and_go_and_redis_is_lost(flushable: Deployment) -> None:
    first = flushable.run(**LIMITED)
    first.await_log("partition ready", times=flushable.partitions)
    flushable.produce(updates(400, seed=63, partition=flushable.partition))
    flushable.await_processed()
    flushable.produce(garbage(2_000))
    eventually("it halts", lambda: halted(first))
    stands = flushable.committed()[FLOODED]
    rebuilds = metrics(first)["rebuilds_total"]

    with redis.Redis.from_url(flushable.redis_url) as client:
        client.flushall()
    eventually("all is rebuilt", lambda: metrics(first)["rebuilds_total"] == rebuilds + 4)
    flushable.produce(updates(400, seed=64, partition=flushable.partition))
    await_others(flushable)
    assert flushable.committed()[FLOODED] == stands
    assert list(first.probe("/readyz")[1]["reasons"]) == [f"dead letters of partition {FLOODED}"]

    second = flushable.run()
    eventually(
        "two each", lambda: metrics(second).get("assigned_partitions") == 2 and second.ready()
    )
    stayed = halted(first)
    assert stayed != first.ready()
    second.terminate()
    flushable.produce(updates(400, seed=65, partition=flushable.partition))
    await_others(flushable)
    if stayed:
        assert halted(first)
        assert flushable.committed()[FLOODED] == stands
    first.terminate()
    assert flushable.run("--until-end").wait(180) == 0
    flushable.assert_exact()


def test_until_end_ends_with_its_exit_code_and_says_why(deployment: Deployment) -> None:
    deployment.produce(updates(600, seed=66, partition=deployment.partition))
    deployment.produce(garbage(1_000))
    process = deployment.run("--until-end", **LIMITED)
    assert process.wait(180) == 12
    await_others(deployment)
    assert f"partition {FLOODED}: " in process.log
    assert deployment.run("--until-end").wait(180) == 0
    deployment.assert_exact()
