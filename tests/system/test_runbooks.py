"""The runbooks of docs/operations/: each command is run as it is written there."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from confluent_kafka import KafkaException, Producer, TopicPartition
from documented import prompts, section
from kafka_tool import kafka_tool
from oracle import decode_session
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import DemoUpdate, updates

ROOT = Path(__file__).parents[2]

KAFKA_TOOLS = {
    "kafka-topics": "TopicCommand",
    "kafka-transactions": "TransactionsCommand",
    "kafka-console-consumer": "consumer.ConsoleConsumer",
    "kafka-configs": "kafka.admin.ConfigCommand",
}


def commands(title: str) -> list[str]:
    """Return what follows a prompt in a section, up to the next heading."""
    found = prompts(section(title))
    assert found, title
    return found


class Shell:
    """Runs what a runbook says. A service that was started runs until another one is to."""

    def __init__(self, deployment: Deployment, directory: Path) -> None:
        self.deployment = deployment
        self.environment = dict(deployment.environment)
        self.service: Process | None = None
        self.answers: dict[str, subprocess.CompletedProcess[str]] = {}
        self.kafka_answers: dict[str, str] = {}
        self._directory = directory

    def run(self, line: str) -> None:
        words = shlex.split(line, comments=True)
        match words:
            case ["export", *settings]:
                for setting in settings:
                    name, _, to = setting.partition("=")
                    self.environment[name] = to
            case ["unset", *names]:
                for name in names:
                    self.environment.pop(name, None)
            case ["session-processor", "run"]:
                self.start()
            case ["echo", given, "|", "session-processor", *arguments]:
                self.answers[line] = self._command(arguments, given)
            case ["session-processor", *arguments]:
                replayed = f"{self.deployment.names.sessions}.replay."
                here = (each.replace("customer-sessions.replay.", replayed) for each in arguments)
                self.answers[line] = self._command([*here])
            case [tool, *arguments] if tool in KAFKA_TOOLS:
                self.kafka_answers[line] = self._kafka_tool(KAFKA_TOOLS[tool], arguments)
            case _:
                pytest.fail(f"what is this? {line}")

    def start(self) -> None:
        self.stop()
        self.deployment.environment = dict(self.environment)
        self.service = self.deployment.run()
        eventually("the service is ready", self.service.ready)

    def stop(self) -> None:
        if self.service is not None:
            self.service.terminate()
            self.service = None

    def _kafka_tool(self, main_class: str, arguments: list[str]) -> str:
        """Run one of Kafka's tools, with this deployment's names in the place of the usual ones."""
        names = self.deployment.names
        here = {
            "127.0.0.1:9092": self.deployment.bootstrap,
            "session-updates": names.updates,
            "customer-sessions": names.sessions,
            "session-updates.dead-letters": names.dead_letters,
            "customer-sessions.profile-claims": names.claims,
        }
        return kafka_tool(main_class, *(here.get(each, each) for each in arguments))

    def _command(self, arguments: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        if arguments[:2] == ["replay", "promote"] or "--extend" in arguments:
            self.stop()  # as the step says
        done = subprocess.run(
            [sys.executable, "-m", "processor", *arguments],
            env=self.environment,
            cwd=self._directory,
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        # Differences, and topics that keep the input for ever, are answers.
        answer = {1} if "diff" in arguments else {14} if "erase" in arguments else set()
        assert done.returncode in {0, *answer}, f"{arguments}: {done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def shell(deployment: Deployment, tmp_path: Path) -> Iterator[Shell]:
    """A service that has processed something, and is stopped."""
    deployment.produce(updates(800, seed=77, partition=deployment.partition))
    assert deployment.run("--until-end").wait(180) == 0
    made = Shell(deployment, tmp_path)
    yield made
    made.stop()


def follow(shell: Shell, title: str) -> None:
    for line in commands(title):
        shell.run(line)


def test_the_pages_to_start_with(shell: Shell) -> None:
    shell.start()
    pages = (ROOT / "docs" / "start" / f"{name}.md" for name in ("running", "producing", "reading"))
    for line in prompts("\n".join(page.read_text("utf-8") for page in pages)):
        if line.startswith("session-processor sessions get "):
            asked = ("sessions", "get", line.split()[-1])
            eventually("it is there", lambda: shell.deployment.command(*asked).returncode == 0)  # noqa: B023  called within the turn
        if not line.startswith("export "):  # of servers that are made up
            shell.run(line)


def settled(shell: Shell) -> None:
    """See that the service that runs has done everything, exactly."""
    assert shell.service is not None
    shell.stop()
    rest = shell.deployment.run("--until-end")
    assert rest.wait(180) == 0, rest.log[-3000:]
    shell.deployment.assert_exact()


def test_a_producer_sent_wrong_totals(shell: Shell, tmp_path: Path) -> None:
    shell.start()
    told = [{"applicationId": 1, "integrationId": "wrong", "total": total} for total in (1000, 10)]
    (tmp_path / "wrong.jsonl").write_text(json.dumps(told[0]))
    (tmp_path / "corrections.jsonl").write_text(json.dumps(told[1]))
    shell.run("session-processor produce wrong.jsonl")
    follow(shell, "A producer sent wrong totals for two hours")
    answer = shell.answers["session-processor replay diff wrong-totals --examples 20"]
    assert answer.returncode == 0, answer.stdout
    settled(shell)
    found = shell.deployment.command("sessions", "get", "1:wrong", "--json")
    assert json.loads(found.stdout)["total"] == 10


def test_a_bug_in_the_fold(shell: Shell) -> None:
    follow(shell, "A bug in the fold")
    answer = shell.answers["session-processor replay diff mended"]
    assert "equal" in answer.stderr
    settled(shell)


def test_redis_was_lost(shell: Shell) -> None:
    client = redis.Redis.from_url(shell.deployment.redis_url)
    lost = list(client.scan_iter(f"*{shell.deployment.names.prefix}*"))
    assert lost
    client.delete(*lost)
    client.close()
    follow(shell, "Redis was lost")
    settled(shell)


def test_state_has_grown_too_large(shell: Shell) -> None:
    follow(shell, "State has grown too large")
    told = shell.answers[next(each for each in commands("State has grown too large"))].stderr
    assert re.search(r"[1-9]\d* sessions older than 30d would be expired", told), told

    def states() -> set[str]:
        sessions = shell.deployment.redis_sessions().values()
        return {decode_session(value)["state"] for of in sessions for value in of.values()}

    eventually("only open sessions are left", lambda: states() == {"open"})
    settled(shell)


def test_offsets_were_deleted(shell: Shell) -> None:
    asked = shell.deployment.admin.delete_consumer_groups([shell.deployment.names.group])
    for future in asked.values():
        future.result()
    follow(shell, "Offsets were deleted or reset")
    settled(shell)


def test_a_person_asks_to_be_forgotten(shell: Shell, tmp_path: Path) -> None:
    shell.start()
    told = [
        {"applicationId": 1, "integrationId": "of-ann", "profileId": "ann"},
        {"applicationId": 1, "integrationId": "with-card", "identifiers": ["card-7"]},
    ]
    (tmp_path / "ann.jsonl").write_text("\n".join(map(json.dumps, told)))
    shell.run("session-processor produce ann.jsonl")
    shell.deployment.await_processed()
    follow(shell, "A person asks to be forgotten")
    for each in told:
        key = f"1:{each['integrationId']}"
        assert (
            f"there is no session {key}" in shell.deployment.command("sessions", "get", key).stderr
        )
    report = json.loads((tmp_path / "ann.json").read_text())
    assert report["ids"]["profiles"] == ["1:ann"]
    (verified,) = (answer for line, answer in shell.answers.items() if "--verify" in line)
    assert "kept without an end" in verified.stderr
    assert "began again" not in verified.stdout
    settled(shell)


def test_a_flood_of_dead_letters(shell: Shell) -> None:
    garbage = [DemoUpdate(b"1:x", b"\xff%d" % each, (), 1_717_200_000_000, 3) for each in range(40)]
    shell.deployment.produce(garbage)
    assert shell.deployment.run("--until-end").wait(180) == 0
    follow(shell, "A flood of dead letters")
    shown = shell.answers["session-processor dead-letters show 3:17"]
    assert "undecodable" in shown.stdout + shown.stderr
    settled(shell)


@contextmanager
def open_transaction(deployment: Deployment, topic: str, partition: int) -> Iterator[None]:
    """Have somebody else's transaction open in a partition."""
    stranger = Producer(
        {
            **deployment.client,
            "transactional.id": f"stranger-{deployment.names.suffix}-{partition}",
            "transaction.timeout.ms": 600_000,
        }
    )
    stranger.init_transactions(20)
    stranger.begin_transaction()
    stranger.produce(topic, b"\xff", b"1:x", partition)
    assert stranger.flush(20) == 0
    yield
    with suppress(KafkaException):  # the runbook may have ended it
        stranger.abort_transaction(20)


def lag(process: Process, partition: int) -> tuple[float, float]:
    """Return how far a partition is behind, in records and seconds."""
    text = process.get("/metrics")[1]
    series = rf'^session_processor_lag_(\w+){{partition="{partition}"}} (.*)$'
    told = dict(re.findall(series, text, re.MULTILINE))
    return float(told.get("records", 0)), float(told.get("seconds", 0))


def test_a_partition_is_stalled(deployment: Deployment, tmp_path: Path) -> None:
    """By a transaction on the input, which the runbook ends; there is one on the output too."""
    shell = Shell(deployment, tmp_path)
    names = deployment.names
    deployment.produce(updates(17, seed=79, partition=lambda _key: 3))
    shell.service = process = deployment.run_impatient()
    deployment.await_processed()
    with (
        open_transaction(deployment, names.updates, 3),
        open_transaction(deployment, names.sessions, 2),
    ):
        deployment.produce(updates(20, seed=80, partition=lambda _key: 3))
        process.await_log("open transaction holds up what follows it", times=2)
        ready, body = process.probe("/readyz")
        assert ready
        held_up = {f"transaction on {names.updates} partition 3": 17}
        held_up[f"transaction on {names.sessions} partition 2"] = 0
        assert body["warnings"].keys() == held_up.keys()
        for subject, offset in held_up.items():
            assert f"--start-offset {offset}" in body["warnings"][subject]
        process.terminate()
        shell.service = process = deployment.run_impatient()
        process.await_log("partition ready", times=3)
        eventually("right after a start the lag is true", lambda: lag(process, 3)[0] == 21, 20)
        eventually("it is as old as the record that is next", lambda: lag(process, 3)[1] > 0, 20)
        process.await_log(f"topic={names.sessions}")
        taken_over = process.probe("/readyz")[1]
        assert "partition 2" in taken_over["reasons"], "a takeover waits for the one on the output"
        assert f"transaction on {names.sessions} partition 2" in taken_over["warnings"]

        follow(shell, "A partition is stalled")
        listed, hanging, _ = (
            shell.kafka_answers[line] for line in commands("A partition is stalled")[-3:]
        )
        assert re.search(r"\s17\s*$", listed, re.MULTILINE), listed
        assert names.updates not in hanging, "its coordinator knows of it"
        eventually("what waited is processed", lambda: deployment.committed()[3] >= 17 + 21)
    eventually("nothing is held up", lambda: process.probe("/readyz")[1]["warnings"] == {})
    settled(shell)


def test_more_partitions_are_needed(shell: Shell) -> None:
    deployment = shell.deployment
    before = deployment.committed()
    deployment.produce(updates(100, seed=78, partition=deployment.partition))
    follow(shell, "More partitions are needed")
    assert sum(deployment.committed().values()) > sum(before.values())
    deployment.assert_exact()
    with deployment._consumer() as consumer:
        for topic in ("session-updates-2", "customer-sessions-2"):
            end = consumer.get_watermark_offsets(TopicPartition(topic, 23), timeout=10)
            assert end == (0, 0)


def test_topics_of_a_former_version(shell: Shell) -> None:
    alter = "kafka-configs --bootstrap-server 127.0.0.1:9092 --alter --entity-type topics "
    letters = (
        "message.timestamp.type=CreateTime,message.timestamp.after.max.ms=9223372036854775807,"
        "retention.ms=-1,segment.ms=604800000"
    )
    shell.run(f"{alter} --entity-name session-updates.dead-letters --add-config {letters}")
    lag = "min.compaction.lag.ms=604800000"
    shell.run(f"{alter} --entity-name customer-sessions --add-config {lag}")
    former = shell.deployment.command("topics", "check").stdout
    follow(shell, "Topics of a former version")
    now = shell.answers["session-processor topics check"].stdout
    for setting in ("segment.ms", "max.compaction.lag.ms"):
        assert setting in former
        assert setting not in now
