"""Updates of older and newer writers go through one reader; a Redis that evicts is refused."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import oracle
import pytest
import redis
from oracle import decode_session
from system.deployment import Deployment

from processor.demo.traffic import DemoUpdate
from processor.local.valkey import LocalValkey

OLDER = oracle.SCHEMAS / "history" / "SessionUpdate.1.avsc"
CURRENT = oracle.SCHEMAS / "SessionUpdate.avsc"


def newer() -> dict[str, Any]:
    """A later version: one field more, one fewer, fields in another order, an int for a double."""
    schema: dict[str, Any] = json.loads(CURRENT.read_text())
    fields = [field for field in schema["fields"] if field["name"] != "referral"]
    fields.append({"name": "channel", "type": ["null", "string"], "default": None})
    (total,) = [field for field in fields if field["name"] == "total"]
    total["type"] = ["null", "int"]
    return {**schema, "fields": fields[::-1]}


def written(path: Path, number: int, fields: Mapping[str, Any]) -> DemoUpdate:
    frame, schema = oracle._schema(path)
    document = {
        "eventId": f"e-{number}",
        "eventTime": 1_717_200_000_000 + number,
        "applicationId": 1,
        "integrationId": "cart-1",
        **fields,
    }
    out = BytesIO()
    out.write(frame)
    fastavro.schemaless_writer(out, schema, document)
    return DemoUpdate(b"1:cart-1", out.getvalue(), (), document["eventTime"], 0)


def test_updates_of_three_versions_of_the_schema(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"name": "a hat", "sku": "hat", "quantity": 2, "price": 9.5}
    directory = tmp_path / "schemas"
    directory.mkdir()
    later = directory / "SessionUpdate.3.avsc"
    later.write_text(json.dumps(newer()))
    stream = [
        written(OLDER, 1, {"cartItems": [item], "coupon": "OLD", "total": 0.5}),
        written(CURRENT, 2, {"referral": "a friend", "discounts": {"spring": 1.5}}),
        written(later, 3, {"channel": "app", "total": 7, "state": "closed"}),
    ]
    deployment.produce(stream)
    process = deployment.run("--until-end", schemas_dir=str(directory))
    assert process.wait(180) == 0, process.log[-3000:]
    monkeypatch.setitem(oracle.WRITERS, *oracle._schema(later))
    deployment.assert_exact()
    snapshots = [
        decode_session(each.value or b"") for each in deployment.read(deployment.names.sessions)[0]
    ]
    assert [each["total"] for each in snapshots] == [0.5, 0.5, 7.0]
    last = snapshots[-1]
    assert (last["state"], last["coupon"], last["referral"]) == ("closed", "OLD", "a friend")
    assert last["cartItems"][0]["weight"] is None


def test_an_unknown_writer_is_dead_lettered(deployment: Deployment, tmp_path: Path) -> None:
    """The same bytes without the directory: nobody can say what they mean."""
    later = tmp_path / "SessionUpdate.3.avsc"
    later.write_text(json.dumps(newer()))
    deployment.produce([written(later, 1, {}), written(OLDER, 2, {})])
    assert deployment.run("--until-end").wait(180) == 0
    deployment.assert_exact()
    (letter,) = deployment.read(deployment.names.dead_letters)[0]
    assert dict(letter.headers)["__streams.errors.exception"] == b"undecodable"


def test_a_redis_that_evicts_is_refused(flushable: Deployment, private_valkey: LocalValkey) -> None:
    client = redis.Redis.from_url(private_valkey.url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    process = flushable.run()
    assert process.wait(180) == 3
    assert "allkeys-lru" in process.log
    assert "Traceback" not in process.log
    client.config_set("maxmemory-policy", "volatile-lru")
    client.close()
    accepted = flushable.run()
    accepted.await_log("partition ready", times=flushable.partitions)
    accepted.terminate()
