"""A wrong rule was live: replayed, compared and promoted, live is what the oracle says."""

import json
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from first_sessions import winners
from oracle import Snapshot, decode_session, expected
from system.deployment import Deployment
from system.process import Process, eventually
from system.test_replay import process_all, replay

from processor.demo.traffic import updates

VARIANT = Path(__file__).with_name("variant.py")
SABOTEUR = Path(__file__).with_name("saboteur.py")


def run_wrong(deployment: Deployment) -> None:
    """Process the input with the other rule, which is in the core alone."""
    command = [sys.executable, str(VARIANT), "run", "--until-end"]
    run = deployment._start(command, {"codec": "fastavro"})
    assert run.wait(180) == 0, run.log[-3000:]


def truth(deployment: Deployment) -> dict[int, list[dict[str, Any]]]:
    """Return, by partition, the sessions that the oracle makes of the input, with their keys."""
    output = {
        partition: [Snapshot(each.key or b"", each.value or b"", each.timestamp) for each in log]
        for partition, log in deployment.read(deployment.names.sessions).items()
    }
    firsts = winners(output)
    return {
        partition: [
            {"key": each.key, **decode_session(each.value)}
            for each in expected(log, firsts).snapshots
        ]
        for partition, log in deployment.read(deployment.names.updates).items()
    }


def last_states(sessions: list[dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """Return each key's last session, without its number."""
    return {
        each["key"]: {name: value for name, value in each.items() if name not in {"version", "key"}}
        for each in sessions
    }


def assert_live_is_true(deployment: Deployment) -> None:
    """See that each session's last snapshot, and Redis, are what the oracle says."""
    cached = deployment.redis_sessions()
    true = truth(deployment)
    for partition, log in deployment.read(deployment.names.sessions).items():
        sessions = [{"key": each.key, **decode_session(each.value or b"")} for each in log]
        assert last_states(sessions) == last_states(true[partition])
        assert cached[partition] == {each.key: each.value for each in log}
        versions: dict[bytes, int] = {}
        for each in sessions:
            assert each["version"] == versions.get(each["key"], 0) + 1
            versions[each["key"]] = each["version"]


def differences(deployment: Deployment, name: str, code: int) -> list[dict[str, Any]]:
    lines = replay(deployment, "diff", name, "--json", code=code).stdout.splitlines()
    return [json.loads(line) for line in lines]


def promoted(deployment: Deployment, name: str) -> bool:
    """Promote, unless somebody is still in the group."""
    done = deployment.command("replay", "promote", name, "--yes")
    assert done.returncode == 0 or "in use" in done.stderr, done.stderr
    return done.returncode == 0


def promoting(deployment: Deployment, name: str, times: int) -> Process:
    """Start a promote that is killed before it commits for the n-th time."""
    command = [sys.executable, str(SABOTEUR), "before-commit", str(times)]
    return deployment._start([*command, "replay", "promote", name, "--yes"], {})


def test_a_wrong_rule_is_found_and_its_results_are_replaced(deployment: Deployment) -> None:
    stream = updates(6_000, seed=41, partition=deployment.partition)
    deployment.produce(islice(stream, 1_500))
    process_all(deployment)
    good = deployment.committed()
    deployment.produce(islice(stream, 2_500))
    run_wrong(deployment)

    starts = ",".join(f"{partition}:{offset}" for partition, offset in good.items())
    replay(deployment, "run", "--name", "right", "--from-offset", starts)
    *found, summary = differences(deployment, "right", code=1)
    true = truth(deployment)
    due = {
        (partition, each["inputOffset"])
        for partition, log in true.items()
        for each in log
        if each["inputOffset"] >= good[partition] and each["coupon"] != each["coupon"].lower()
    }
    assert len(due) > 20
    assert {(each["partition"], each["inputOffset"]) for each in found} == due
    assert {each["kind"] for each in found} == {"changed"}
    assert all(set(each["fields"]) == {"coupon"} for each in found)
    assert summary["summary"]["missing"] == summary["summary"]["extra"] == 0

    before = deployment.read(deployment.names.sessions)
    dry = replay(deployment, "promote", "right")
    assert "nothing was changed" in dry.stderr
    assert deployment.read(deployment.names.sessions) == before

    killed = promoting(deployment, "right", 2)
    assert killed.wait(180) == -signal.SIGKILL, killed.log
    eventually("the killed member is out of the group", lambda: promoted(deployment, "right"))
    offsets = deployment.committed()
    assert all(
        json.loads(line)["end"] == offsets[json.loads(line)["partition"]]
        for line in replay(deployment, "status", "right", "--json").stdout.splitlines()
    )
    process_all(deployment)
    assert_live_is_true(deployment)
    assert differences(deployment, "right", code=0)[-1]["summary"]["changed"] == 0

    deployment.produce(stream)
    process_all(deployment)
    assert_live_is_true(deployment)
    assert differences(deployment, "right", code=0)[-1]["summary"]["changed"] == 0
    again = replay(deployment, "plan", "--from-offset", starts, code=8)
    assert "made live" in again.stderr


def test_a_promote_is_refused_where_it_could_lose_something(deployment: Deployment) -> None:
    deployment.produce(updates(600, seed=42, partition=deployment.partition))
    process_all(deployment)
    replay(deployment, "run", "--name", "short", "--from-earliest", "--until-offset", "1:5")
    short = replay(deployment, "promote", "short", "--yes", code=5)
    assert "ends at 5" in short.stderr
    replay(deployment, "run", "--name", "whole", "--from-earliest")
    live = deployment.run()
    live.await_log("partition ready")
    assert "in use" in replay(deployment, "promote", "whole", "--yes", code=5).stderr
    live.terminate()
    assert "no replay" in replay(deployment, "promote", "nobody", "--yes", code=9).stderr
    deployment.assert_exact()
    promoted = replay(deployment, "promote", "whole", "--yes", "--json").stdout.splitlines()
    assert {json.loads(line)["snapshots"] for line in promoted} == {0}
    process_all(deployment)
    deployment.assert_exact()
