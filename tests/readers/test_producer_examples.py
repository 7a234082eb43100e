"""The producers of `examples/`: what they send is taken, and each reads its own dead letters."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import confluent_kafka
import pytest
from confluent_kafka import Producer
from idempotent_producers import idempotent_producers
from oracle import SCHEMAS, decode_session
from readers.test_examples import copied, needs, run
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment
from system.process import eventually

EXAMPLES = SCHEMAS.parent / "examples"
SCHEMA = str(SCHEMAS / "SessionUpdate.avsc")
PREFIXES = str(SCHEMAS.parent / "contract" / "schemas.json")
LIBRARIES = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
LIBRDKAFKA = [str(path) for path in LIBRARIES.glob("librdkafka-*.so*")]
STRANGERS = 3


class Example(NamedTuple):
    """A program, run in a copy of its folder."""

    folder: str
    program: Sequence[str]
    """Its command; for `classpath` stands what the file of that name holds."""
    build: Sequence[Sequence[str]] = ()
    files: Sequence[str] = ()
    """What it sends by, besides."""
    fetch: Sequence[str] = ()
    """What its libraries are fetched by, where they may be out of reach: it is skipped then."""
    idempotent: bool = True
    """Whether batches that are sent again keep their order; of one batch no two can be mixed up."""


PYTHON = Example("python", [sys.executable, "producer.py"], files=[SCHEMA])
NODE = Example(
    "node",
    ["node", "producer.mjs"],
    [["npm", "install", "--silent", "--no-package-lock"]],
    idempotent=False,
)
PHP = Example("php", ["php", "producer.php"])
GO = Example(
    "go",
    ["./sends"],
    [["go", "build", "-o", "sends", "./producer"]],
    [SCHEMA, PREFIXES],
)
JAVA = Example(
    "java",
    ["java", "-cp", "classpath", "Producer.java"],
    [["mvn", "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath"]],
    [SCHEMA],
)
RUST = Example(
    "rust",
    ["./producer"],
    [[str(SCHEMAS.parent / "ci" / "rust-producer.sh"), *LIBRDKAFKA]],
    [SCHEMA, PREFIXES],
    ["cargo", "fetch", "--quiet", "--locked"],
)


@pytest.fixture(scope="module")
def running(
    kafka: KafkaAddress, valkey: RedisAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A service that reads every format, and letters that are no example's."""
    logs = tmp_path_factory.mktemp("producers")
    with Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), logs) as deployment:
        deployment.environment["PROCESSOR_INPUT_FORMATS"] = "avro,json,cloudevents"
        deployment.run()
        stranger = Producer({"bootstrap.servers": deployment.bootstrap, "partitioner": "murmur2"})
        named: list[list[tuple[str, str | bytes | None]]]
        named = [[], [("producer", None)], [("producer", b"checkout")]]
        for headers in named:
            stranger.produce(deployment.names.updates, b"no update", "1:stranger", headers=headers)
        assert stranger.flush(30) == 0
        eventually("strangers' letters", lambda: len(letters_of(deployment)) == STRANGERS)
        yield deployment
        deployment.await_processed()
        deployment.assert_exact()
        told = json.loads(deployment.command("topics", "check", "--json").stdout)["partitioner"]
        assert (told["murmur2"], told["split"]) == (told["keys"], [])


def letters_of(deployment: Deployment) -> list[tuple[str, bytes | None]]:
    """Return the place of each dead letter, and the name in its header."""
    logs = deployment.read(deployment.names.dead_letters)
    return [
        (f"{partition}:{letter.offset}", dict(letter.headers).get("producer"))
        for partition, log in logs.items()
        for letter in log
    ]


def fetched(command: Sequence[str], where: Path) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert "--locked was passed" not in done.stderr, done.stderr
    if done.returncode:
        pytest.skip(f"its libraries cannot be had: {done.stderr[-300:]}")


def idempotent(deployment: Deployment) -> frozenset[int]:
    return idempotent_producers(
        deployment.bootstrap, deployment.names.updates, deployment.partitions
    )


needs_librdkafka = pytest.mark.skipif(
    not LIBRDKAFKA, reason="needs the librdkafka that confluent-kafka's wheel brings"
)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(PYTHON, id="python"),
        pytest.param(NODE, id="node", marks=needs("node", "npm")),
        pytest.param(PHP, id="php", marks=needs("php")),
        pytest.param(GO, id="go", marks=needs("go")),
        pytest.param(JAVA, id="java", marks=needs("mvn", "javac")),
        pytest.param(RUST, id="rust", marks=[needs("cargo", "cc"), needs_librdkafka]),
    ],
)
def test_a_producer_is_taken_and_reads_its_own_letters(
    running: Deployment, example: Example, tmp_path: Path
) -> None:
    where = copied(EXAMPLES / example.folder, tmp_path)
    if example.fetch:
        fetched(example.fetch, where)
    for command in example.build:
        run(command, where)
    program = list(example.program)
    if "classpath" in program:
        program[program.index("classpath")] = (where / "classpath").read_text()
    # Keys that CRC32, librdkafka's default, puts into other ones of the four partitions.
    cart, name = f"cart-17-{example.folder}", f"checkout-{example.folder}".encode()
    known = idempotent(running)
    run([*program, "send", running.bootstrap, running.names.updates, cart, *example.files], where)
    assert len(idempotent(running) - known) == example.idempotent
    eventually("its letter", lambda: name in dict(letters_of(running)).values())
    said = run([*program, "letters", running.bootstrap, running.names.dead_letters], where)
    (letter,) = map(json.loads, said.splitlines())
    assert letter.pop("message")
    (place,) = [place for place, by in letters_of(running) if by == name]
    assert letter == {"letter": place, "key": f"1:{cart}", "reason": "session-not-open"}
    opened, closed = (
        decode_session(each.value)
        for log in running.read(running.names.sessions).values()
        for each in log
        if each.key == f"1:{cart}".encode() and each.value is not None
    )
    assert [each["state"] for each in (opened, closed)] == ["open", "closed"]
    assert (closed["total"], closed["coupon"]) == (19.0, "")
    found = {key: json.loads(value) for key, value in closed["attributes"].items()}
    assert found == {"channel": "web", "visits": [1, 2]}
