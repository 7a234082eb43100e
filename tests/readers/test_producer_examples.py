"""The programs of `examples/` that send JSON: the service takes what they send."""

import json
from pathlib import Path

import pytest
from readers.test_examples import copied, needs, run
from servers import KafkaAddress, Names, RedisAddress
from system.deployment import Deployment

LINES = 40
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("file", "states"),
    [
        pytest.param("node/send-update.mjs", ["open", "closed"], marks=needs("node", "npm")),
        pytest.param("php/send-update.php", ["open"], marks=needs("php")),
    ],
)
def test_a_producer_of_json_is_short_and_right(
    kafka: KafkaAddress, valkey: RedisAddress, tmp_path: Path, file: str, states: list[str]
) -> None:
    program = EXAMPLES / file
    assert len(program.read_text().splitlines()) < LINES
    where = copied(program.parent, tmp_path)
    if (where / "package.json").exists():
        run(["npm", "install", "--silent", "--no-package-lock"], where)
    with Deployment(kafka.bootstrap_servers, valkey.url, Names.fresh(), tmp_path) as deployment:
        names = [deployment.bootstrap, deployment.names.updates, "cart-17"]
        run([program.parent.name, program.name, *names], where)
        deployment.environment["PROCESSOR_INPUT_FORMATS"] = "avro,json,cloudevents"
        process = deployment.run("--until-end")
        assert process.wait(180) == 0, process.log
        results = deployment.assert_exact()
        assert [letter for each in results.values() for letter in each.dead_letters] == []
        watch = ("sessions", "watch", "--from-beginning", "--json", "--limit", str(len(states)))
        found = [json.loads(line) for line in deployment.command(*watch).stdout.splitlines()]
    assert [each["state"] for each in found] == states
    assert found[-1]["total"] == 19.0
    assert found[-1]["attributes"] == {"channel": "web", "visits": [1, 2]}
