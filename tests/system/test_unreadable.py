"""A batch that no reader can unpack: the service goes on behind it, and one letter tells of it."""

import json

import pytest
from confluent_kafka.admin import AdminClient
from fakes.hostile import spoil
from oracle import Entry
from system.deployment import Deployment
from system.test_repair import cluster_of, repair, shown

from processor.demo.traffic import updates
from processor.stages.publish import ERROR_HEADERS, OFFSET_TO_HEADER

PARTITION = 1
SIZE = 3
UNPACKED = 101_000_000


def feed(deployment: Deployment, seed: int) -> None:
    deployment.produce(updates(300, seed=seed, partition=deployment.partition))


def end(deployment: Deployment) -> int:
    return dict(deployment._extents(deployment.names.updates))[PARTITION][1]


def ranges(deployment: Deployment) -> list[Entry]:
    letters = deployment.read(deployment.names.dead_letters)[PARTITION]
    return [each for each in letters if OFFSET_TO_HEADER in dict(each.headers)]


@pytest.mark.parametrize("point", ["unreadable-before-commit", "unreadable-after-commit"])
def test_one_letter_stands_for_the_batch_also_after_a_kill(
    deployment: Deployment, point: str
) -> None:
    first = 0
    spoil(cluster_of(deployment), PARTITION, SIZE, UNPACKED)
    last = first + SIZE - 1
    feed(deployment, seed=1)
    killed = deployment.run_sabotaged(point, 1)
    assert killed.wait(180) == -9
    process = deployment.run()
    deployment.await_processed()

    (letter,) = ranges(deployment)
    said = dict(letter.headers)
    assert (letter.key, letter.value) == (None, None)
    assert said[ERROR_HEADERS[0]] == b"undecodable"
    assert (said[ERROR_HEADERS[5]], said[OFFSET_TO_HEADER]) == (b"%d" % first, b"%d" % last)
    feed(deployment, seed=2)
    deployment.await_processed()
    process.terminate()

    told = deployment.command("dead-letters", "show", f"{PARTITION}:{letter.offset}")
    assert f"offset {first} to {last}" in told.stdout, told.stderr
    listed = deployment.command("dead-letters", "list", "--partition", str(PARTITION), "--json")
    sources = [json.loads(line)["source"] for line in listed.stdout.splitlines()]
    assert [each["offsetTo"] for each in sources if each["offset"] == first] == [last]
    redrive = deployment.command("dead-letters", "redrive", "--json")
    assert json.loads(redrive.stdout)["skipped"]["unreadable"] == 1


def test_repair_counts_the_end_of_the_batch(deployment: Deployment) -> None:
    feed(deployment, seed=3)
    spoil(cluster_of(deployment), PARTITION, SIZE, UNPACKED)
    done = deployment.command("run", "--until-end")
    assert done.returncode == 0, done.stderr[-3000:]
    wanted = end(deployment)
    assert deployment.committed()[PARTITION] == wanted
    admin = AdminClient(deployment.client)
    for future in admin.delete_consumer_groups([deployment.names.group]).values():
        future.result(20)
    assert any(each["trouble"] for each in shown(deployment))
    offsets = {each["partition"]: each["offset"] for each in repair(deployment)}
    assert offsets[PARTITION] == wanted
