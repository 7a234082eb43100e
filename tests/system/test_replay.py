"""Replays on real servers: from anywhere, killed on the way, they publish what was published."""

import json
import signal
import sys
from collections.abc import Mapping
from itertools import islice
from random import Random
from subprocess import CompletedProcess
from typing import Any

import pytest
import redis
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic
from oracle import decode_session
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import updates

Published = dict[int, dict[tuple[bytes | None, int], dict[str, Any]]]
"""By partition, each snapshot by key and input offset, without what a replay numbers anew."""


def replay(deployment: Deployment, *arguments: str, code: int = 0) -> CompletedProcess[str]:
    done = deployment.command("replay", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def replaying(deployment: Deployment, *arguments: str) -> Process:
    return deployment._start([sys.executable, "-m", "processor", "replay", "run", *arguments], {})


def status(deployment: Deployment, name: str) -> dict[int, dict[str, int]]:
    lines = replay(deployment, "status", name, "--json").stdout.splitlines()
    return {each["partition"]: each for each in map(json.loads, lines)}


def published(
    deployment: Deployment, topic: str, bounds: Mapping[int, Mapping[str, int]]
) -> Published:
    found: Published = {partition: {} for partition in bounds}
    for partition, log in deployment.read(topic).items():
        for entry in log:
            assert entry.value is not None
            session = decode_session(entry.value)
            offset = session["inputOffset"]
            assert isinstance(offset, int)
            of = bounds.get(partition)
            if of is not None and of["start"] <= offset < of["end"]:
                for name in ("version", "eventMemory"):
                    session.pop(name, None)
                found[partition][entry.key, offset] = session
    return found


def assert_same(deployment: Deployment, name: str) -> int:
    """See that the replay published what the live service had; return how many snapshots."""
    bounds = status(deployment, name)
    assert all(each["left"] == 0 for each in bounds.values()), bounds
    topic = deployment.names.sessions
    again = published(deployment, f"{topic}.replay.{name}", bounds)
    assert again == published(deployment, topic, bounds)
    return sum(map(len, again.values()))


def process_all(deployment: Deployment) -> None:
    run = deployment.run("--until-end")
    assert run.wait(180) == 0, run.log[-3000:]


def test_replays_during_live_traffic_publish_what_was_published(deployment: Deployment) -> None:
    """From the earliest offset, with a SIGKILL, and from random ones; then extended."""
    stream = updates(9_000, seed=31, partition=deployment.partition)
    live = deployment.run(max_batch="200")
    deployment.produce(islice(stream, 5_000))
    deployment.await_processed()
    doomed = replaying(deployment, "--name", "all", "--from-earliest", "--max-rate", "300")
    topic = f"{deployment.names.sessions}.replay.all"
    eventually("the replay has published", lambda: deployment.holds_records(topic))
    doomed.signal(signal.SIGKILL)
    doomed.wait()
    assert any(each["left"] for each in status(deployment, "all").values())
    deployment.produce(islice(stream, 2_000))
    two = [replaying(deployment, "--name", "all") for _ in range(2)]
    random = Random(31)
    for name in ("one", "two", "three"):
        done = deployment.committed()
        starts = ",".join(f"{each}:{random.randrange(1, done[each] * 3 // 4)}" for each in done)
        replay(deployment, "run", "--name", name, "--from-offset", starts)
        assert assert_same(deployment, name) > 300
        replay(deployment, "diff", name)
    for each in two:
        assert each.wait(180) == 0, each.log[-3000:]
    assert assert_same(deployment, "all") > 3_000
    replay(deployment, "diff", "all")
    deployment.produce(stream)
    deployment.await_processed()
    replay(deployment, "run", "--name", "one", "--extend")
    assert status(deployment, "one")[0]["end"] == deployment.committed()[0]
    assert_same(deployment, "one")
    live.terminate()
    deployment.assert_exact()


def test_a_log_that_begins_later_is_replayed_from_the_published_state(
    deployment: Deployment,
) -> None:
    deployment.produce(updates(3_000, seed=5, partition=deployment.partition))
    process_all(deployment)
    names = deployment.names
    cut = {partition: offset // 2 for partition, offset in deployment.committed().items()}
    places = [TopicPartition(names.updates, partition, at) for partition, at in cut.items()]
    for future in deployment.admin.delete_records(places).values():
        future.result()
    refused = replay(deployment, "plan", "--from-offset", "0:3,1:0", code=8)
    assert f"0:{cut[0]},1:{cut[1]}" in refused.stderr
    refused = replay(
        deployment, "run", "--name", "no", "--from-time", "2000-01-01T00:00:00Z", code=8
    )
    assert "may have expired" in refused.stderr
    assert replay(deployment, "list", "--json").stdout == ""
    planned = replay(deployment, "plan", "--from-earliest", "--json").stdout.splitlines()
    for row in map(json.loads, planned):
        assert row["start"] == cut[row["partition"]]
        assert row["records"] == row["end"] - row["start"]
        assert row["bytes"] > 20 * row["records"]
        assert f"below {row['start']}" in row["starting_state"]
        assert row["refused"] == ""
    replay(deployment, "run", "--name", "half", "--from-earliest")
    assert assert_same(deployment, "half") > 500


def test_a_replay_is_listed_and_dropped_and_nothing_else_is(deployment: Deployment) -> None:
    deployment.produce(updates(400, seed=2, partition=deployment.partition))
    process_all(deployment)
    before = set(deployment.admin.list_topics(timeout=10).topics)
    client = redis.Redis.from_url(deployment.redis_url)

    def held() -> set[bytes]:
        """Return the keys that stay; an announcement of a process ends by itself."""
        found = set(client.scan_iter(f"*{deployment.names.prefix}*"))
        return {each for each in found if b":members}" not in each}

    keys = held()
    replay(deployment, "run", "--name", "b", "--from-earliest")
    replay(deployment, "run", "--name", "a", "--from-offset", "2:0", "--until-offset", "2:10")
    rows = [json.loads(each) for each in replay(deployment, "list", "--json").stdout.splitlines()]
    assert [(row["name"], row["partitions"], row["left"]) for row in rows] == [
        ("a", 1, 0),
        ("b", 4, 0),
    ]
    assert status(deployment, "a")[2]["end"] == 10
    assert_same(deployment, "a")
    group = f"{deployment.names.group}.replay.a"
    deployment.admin.delete_consumer_groups([group])[group].result(10)
    assert "have expired in partition 2" in replay(deployment, "diff", "a", code=9).stderr
    asked = replay(deployment, "drop", "b", "--json")
    assert asked.stdout == ""
    assert held() > keys
    dropped = json.loads(replay(deployment, "drop", "b", "--yes", "--json").stdout)
    assert len(dropped["topics"]) == 4
    replay(deployment, "drop", "a", "--yes")
    eventually(
        "the topics are gone",
        lambda: set(deployment.admin.list_topics(timeout=10).topics).isdisjoint(
            f"{each}.replay.{name}" for each in (*before, deployment.names.group) for name in "ab"
        ),
    )
    assert before <= set(deployment.admin.list_topics(timeout=10).topics)
    assert held() == keys
    client.close()
    deployment.assert_exact()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("status", "nobody"), 9, "no replay 'nobody'"),
        (("drop", "nobody", "--yes"), 9, "no replay 'nobody'"),
        (("run", "--name", "nobody"), 9, "no replay 'nobody'"),
        (("run",), 8, "neither said from where"),
        (("plan",), 8, "not said from where"),
        (("run", "--name", "No!", "--from-earliest"), 8, "no name for a replay"),
        (("run", "--from-offset", "0:9999999"), 8, "the live service has come to"),
        (("run", "--from-offset", "77:0"), 8, "no partition 77"),
        (("run", "--from-earliest", "--until-offset", "0:9999999"), 8, "cannot end at"),
        (("run", "--name", "taken", "--from-earliest"), 8, "no replay taken"),
    ],
)
def test_mistakes_change_nothing(
    small: Deployment, arguments: tuple[str, ...], code: int, text: str
) -> None:
    assert text in replay(small, *arguments, code=code).stderr
    assert replay(small, "list", "--json").stdout == ""


def test_a_replay_in_use_is_not_dropped_nor_begun_twice(small: Deployment) -> None:
    busy = replaying(small, "--name", "busy", "--from-earliest", "--max-rate", "1")
    busy.await_log("partition ready")
    assert "in use" in replay(small, "drop", "busy", "--yes", code=5).stderr
    again = replay(small, "run", "--name", "busy", "--from-earliest", code=8)
    assert "has its bounds" in again.stderr
    busy.signal(signal.SIGTERM)
    assert busy.wait(10) == 130, busy.log[-2000:]
    assert "goes on where it stood" in busy.log
    replay(small, "drop", "busy", "--yes")


@pytest.fixture
def small(deployment: Deployment) -> Deployment:
    """A live service that has processed a little, and a topic in the way of a replay."""
    deployment.produce(updates(200, seed=3, partition=deployment.partition))
    process_all(deployment)
    taken = NewTopic(f"{deployment.names.sessions}.replay.taken", 1, 1)
    for future in deployment.admin.create_topics([taken]).values():
        future.result()
    return deployment
