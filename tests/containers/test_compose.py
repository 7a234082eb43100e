"""The stack of docker-compose.yml, used from the host as a developer would.

The tests share one stack and run in the order in which they stand.
"""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from confluent_kafka import Consumer, TopicPartition
from containers.compose_stack import Stack, docker
from queries import Query, alert_queries, board_queries, labels_told

TOPIC = "session-updates"
SESSIONS = 40
KEYS = [f"cart-{number}" for number in range(SESSIONS)]


def _write(path: Path, rounds: range) -> list[str]:
    """Write an update of each session a round; return their event ids."""
    lines = [
        {
            "eventId": f"{key}/{each}",
            "applicationId": 1,
            "integrationId": key,
            "coupon": f"C{each}",
        }
        for each in rounds
        for key in KEYS
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [str(line["eventId"]) for line in lines]


def _check(stack: Stack, rounds: int) -> None:
    """Each update has its snapshot once, and each session's are in order."""
    found = stack.snapshots(SESSIONS * rounds)
    for key in KEYS:
        own = [each for each in found if each["integrationId"] == key]
        assert [each["lastEventId"] for each in own] == [f"{key}/{each}" for each in range(rounds)]
        assert [each["version"] for each in own] == list(range(1, rounds + 1))


def _await(told: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def _get(address: str) -> str:
    with urlopen(f"http://{address}", timeout=10) as answer:
        return str(answer.read().decode())


def test_updates_from_the_host_become_snapshots(stack: Stack, tmp_path: Path) -> None:
    _write(tmp_path / "first.jsonl", range(2))
    stack.command("produce", str(tmp_path / "first.jsonl"))
    _check(stack, 2)
    session = json.loads(stack.command("sessions", "get", "1:cart-0", "--json"))
    assert session["version"] == 2


def test_of_three_processes_one_is_killed_and_nothing_is_lost_or_repeated(
    stack: Stack, tmp_path: Path
) -> None:
    stack.compose("up", "--detach", "--wait", "--no-recreate", "--scale", "processor=3")
    assert len(stack.containers("processor")) == 3
    _write(tmp_path / "second.jsonl", range(2, 12))
    stack.command("produce", str(tmp_path / "second.jsonl"))
    docker("kill", stack.containers("processor")[0])
    _write(tmp_path / "third.jsonl", range(12, 16))
    stack.command("produce", str(tmp_path / "third.jsonl"))
    _check(stack, 16)
    assert len(stack.containers("processor")) == 2


def test_the_demo_profile_sends_a_stream_once(stack: Stack) -> None:
    demo = ("run", "--rm", "demo", "demo", "--send-only", "--updates", "1000")
    before = _input_end(stack)
    stack.compose("--profile", "demo", *demo)
    sent = _input_end(stack)
    assert sent >= before + 1000
    stack.compose("--profile", "demo", *demo)
    assert _input_end(stack) == sent
    _await(lambda: _processed(stack) >= 1000)


def test_the_alerts_and_the_boards_name_what_the_service_tells(stack: Stack) -> None:
    live = labels_told(*_metrics(stack))
    for query in (*alert_queries(), *board_queries()):
        assert query.unknown(live) == set(), query


def test_prometheus_finds_each_process_and_takes_the_rules(stack: Stack) -> None:
    monitoring = ("--profile", "monitoring")
    stack.compose(*monitoring, "up", "--detach", "--no-recreate", "prometheus")
    address = f"127.0.0.1:{stack.prometheus_port}/api/v1"
    promtool = ("exec", "-T", "prometheus", "promtool")
    stack.compose(*monitoring, *promtool, "check", "config", "/etc/prometheus/prometheus.yml")
    tests = "/etc/prometheus/alerts.test.yml"
    stack.compose(*monitoring, *promtool, "test", "rules", tests)

    def up() -> bool:
        try:
            found = json.loads(_get(f"{address}/query?query=sum(up)"))["data"]["result"]
        except OSError:
            return False
        return [each["value"][1] for each in found] == [str(len(stack.containers("processor")))]

    _await(up)
    (group,) = json.loads(_get(f"{address}/rules"))["data"]["groups"]
    assert [rule["name"] for rule in group["rules"]] == [each.place for each in alert_queries()]

    def answered(query: Query) -> bool:
        asked = urlencode({"query": query.filled().replace(" > 0", "")})
        return bool(json.loads(_get(f"{address}/query?{asked}"))["data"]["result"])

    for query in board_queries():
        _await(partial(answered, query))


def test_the_console_finds_every_process_by_what_it_announces(stack: Stack) -> None:
    stack.compose("--profile", "console", "up", "--detach", "--no-recreate", "console")

    def found() -> bool:
        try:
            told = json.loads(_get(f"127.0.0.1:{stack.console_port}/overview.json"))
        except OSError:
            return False
        answering = [each for each in told["processes"] if each["answers"]]
        return len(answering) == len(stack.containers("processor"))

    _await(found)


def test_the_registry_profile_registers_the_schemas(stack: Stack) -> None:
    stack.compose("--profile", "registry", "run", "--rm", "schemas")
    subjects = json.loads(_get(f"127.0.0.1:{stack.registry_port}/apis/ccompat/v7/subjects"))
    assert sorted(subjects) == ["customer-sessions-value", "session-updates-value"]


def test_the_service_ends_in_time_and_data_outlives_down(stack: Stack) -> None:
    containers = stack.containers("processor")
    began = time.monotonic()
    stack.compose("stop", "processor")
    assert time.monotonic() - began < 10
    codes = [docker("inspect", "--format", "{{.State.ExitCode}}", each) for each in containers]
    assert {code.strip() for code in codes} == {"0"}
    stack.compose("--profile", "*", "down")
    stack.compose("up", "--wait")
    assert json.loads(stack.command("sessions", "get", "1:cart-0", "--json"))["version"] == 16


def test_what_is_published_is_for_this_machine_alone(stack: Stack) -> None:
    services = json.loads(stack.compose("--profile", "*", "config", "--format", "json"))["services"]
    ports = [port for each in services.values() for port in each.get("ports", [])]
    assert len(ports) == 7
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def _metrics(stack: Stack) -> list[str]:
    return [_get(f"{stack.published(each)}/metrics") for each in stack.containers("processor")]


def _input_end(stack: Stack) -> int:
    """Return how many offsets the input has, over all its partitions."""
    asking = {"bootstrap.servers": f"127.0.0.1:{stack.kafka_port}", "group.id": "none"}
    consumer = Consumer(asking)
    try:
        found = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(TOPIC, each)) for each in found]
    finally:
        consumer.close()
    return sum(high for _, high in ends)


def _processed(stack: Stack) -> float:
    return sum(
        float(value)
        for told in _metrics(stack)
        for value in re.findall(
            r"^session_processor_records_total\{.*\} (\S+)$", told, re.MULTILINE
        )
    )
