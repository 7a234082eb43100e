"""Updates and commands on real servers: a kill, replays, a repair, and what reads the topics."""

import json
import re
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from subprocess import CompletedProcess
from typing import Any

import oracle
from golden import encoded, update
from oracle import Entry
from session_commands import commanded, erase
from system.deployment import Deployment

from processor.demo.traffic import DemoUpdate, Mix, updates

PREFIX = "session-processor."
WRONG = b"1:wrong"
GONE = b"1:cart-18"
MIX = Mix(rejects=0, sessions_at_once=20)
"""An update is rejected only where its session has ended: every command's key is in the output."""


def ran(deployment: Deployment, *arguments: str, code: int = 0) -> CompletedProcess[str]:
    done = deployment.command(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def lines(done: CompletedProcess[str]) -> list[dict[str, Any]]:
    # A text may have what Python takes for the end of a line.
    return [json.loads(line, parse_int=_number) for line in done.stdout.split("\n") if line]


def _number(digits: str) -> int | str:
    """Return the number, but for one that Python refuses to read: an attribute may have any."""
    return int(digits) if len(digits) < 20 else digits


def test_commands_are_exact_and_everything_that_reads_them_knows_ends(
    deployment: Deployment,
) -> None:
    stream = commanded(updates(1_600, seed=18, mix=MIX, partition=deployment.partition), seed=18)
    wrong = DemoUpdate(WRONG, erase(WRONG) + b"?", (), 1_000, deployment.partition(WRONG))
    doomed = deployment.run_sabotaged("before-commit", 4, max_batch="100")
    doomed.await_log("partition ready", times=4)
    deployment.produce([wrong, *islice(stream, 800)])
    assert doomed.wait(180) == -signal.SIGKILL, doomed.log[-3000:]
    deployment.produce(stream)
    # A letter that is older than an erase, for certain.
    values = (encoded(update(1, "cart-18")), b"?", erase(GONE))
    partition = deployment.partition(GONE)
    deployment.produce(DemoUpdate(GONE, value, (), 1_000, partition) for value in values)
    last = deployment.run("--until-end")
    assert last.wait(180) == 0, last.log[-3000:]
    deployment.assert_exact()

    ends = [*ended(deployment)]
    assert {by(each) for each in ends} == {"expire", "erase"}
    replays_find_nothing(deployment)
    assert "nothing needs to be repaired" in ran(deployment, "offsets", "repair").stderr
    watched(deployment, ends)
    redriven(deployment)


def by(end: Entry) -> str:
    return (dict(end.headers)[PREFIX + "ended-by"] or b"").decode()


def at(end: Entry) -> int:
    return int(dict(end.headers)[PREFIX + "input-offset"] or b"")


def ended(deployment: Deployment) -> Iterator[Entry]:
    for log in deployment.read(deployment.names.sessions).values():
        yield from (each for each in log if each.value is None)


def replays_find_nothing(deployment: Deployment) -> None:
    ran(deployment, "replay", "run", "--name", "all", "--from-earliest")
    assert equal(deployment, "all") > 1_000
    committed = deployment.committed()
    middle = {partition: offset // 2 for partition, offset in committed.items()}
    asked = ",".join(f"{partition}:{offset}" for partition, offset in middle.items())
    plan = deployment.command("replay", "plan", "--from-offset", asked)
    if plan.returncode:  # a command there is explained by no record from before it
        assert plan.returncode == 8, plan.stderr
        earliest = re.findall(r"(\d+):(\d+)", plan.stderr.partition("--from-offset")[2])
        middle |= {int(partition): int(offset) for partition, offset in earliest}
        asked = ",".join(f"{partition}:{offset}" for partition, offset in middle.items())
    assert all(0 < at < committed[partition] for partition, at in middle.items()), (middle, plan)
    ran(deployment, "replay", "run", "--name", "half", "--from-offset", asked)
    assert equal(deployment, "half") > 200
    again = deployment.read(f"{deployment.names.sessions}.replay.half")
    assert any(each.value is None for log in again.values() for each in log)


def equal(deployment: Deployment, name: str) -> int:
    """See that nothing differs but who was a profile's first before an erase; count the equal."""
    done = deployment.command("replay", "diff", name, "--json")
    assert done.returncode in {0, 1}, done.stderr
    *differences, told = lines(done)
    assert all({*each["fields"]} == {"firstSession"} for each in differences), differences
    return int(told["summary"]["equal"])


def watched(deployment: Deployment, ends: list[Entry]) -> None:
    """See that each end is a line of its own, beside those of the snapshots."""
    records = sum(map(len, deployment.read(deployment.names.sessions).values()))
    arguments = ("--from-beginning", "--limit", str(records), "--json")
    told = [
        each
        for each in lines(ran(deployment, "sessions", "watch", *arguments))
        if "deleted" in each
    ]
    assert Counter((each["key"], each["endedBy"], each["inputOffset"]) for each in told) == Counter(
        ((each.key or b"").decode(), by(each), at(each)) for each in ends
    )


def redriven(deployment: Deployment) -> None:
    """See that a redrive leaves commands, and what an erase came after."""
    erased: dict[bytes | None, int] = {}
    for each in ended(deployment):
        if by(each) == "erase":
            erased[each.key] = max(at(each), erased.get(each.key, 0))
    letters = [
        each for log in deployment.read(deployment.names.dead_letters).values() for each in log
    ]
    commands = [each for each in letters if oracle.is_command(each)]
    older = sum(
        int(dict(each.headers)["__streams.errors.offset"] or b"") < erased.get(each.key, -1)
        for each in letters
    )
    assert older > 0
    listed = lines(ran(deployment, "dead-letters", "list", "--limit", "9999", "--json"))
    assert Counter(each["of"] for each in listed) == {
        "command": len(commands),
        "update": len(letters) - len(commands),
    }
    (place,) = (each["place"] for each in listed if each["key"] == WRONG.decode())
    assert "bytes are left over" in ran(deployment, "dead-letters", "show", place).stdout

    (plan,) = lines(ran(deployment, "dead-letters", "redrive", "--json"))
    assert plan["skipped"] == {"command": len(commands), "erased": older}
    assert plan["letters"] == len(letters) - len(commands) - older
    (plan,) = lines(ran(deployment, "dead-letters", "redrive", "--commands", "--json"))
    assert plan["skipped"] == {"erased": older}
    (done,) = lines(ran(deployment, "dead-letters", "redrive", "--yes", "--json"))
    assert done["skipped"] == {"command": len(commands), "erased": older}
    last = deployment.run("--until-end")
    assert last.wait(180) == 0, last.log[-3000:]
    deployment.assert_exact()
    # Nobody's metadata says that commands are known.
    group = deployment.names.group
    deployment.admin.delete_consumer_groups([group])[group].result(10)
    refused = ran(deployment, "dead-letters", "redrive", "--commands", code=5)
    assert "partition 0, 1, 2, 3 was not" in refused.stderr
