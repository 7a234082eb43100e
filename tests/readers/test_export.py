"""`sessions export`."""

import json
import subprocess
import sys
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from any_json import any_json
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic
from oracle import bits
from readers.conftest import Published

PLACE = ("outputPartition", "outputOffset")
STOOD = ("outputKey", *PLACE, "outputTimestamp", "endedBy")


def read(file: Path) -> list[dict[str, Any]]:
    with file.open("rb") as exported:
        return [dict(each) for each in fastavro.reader(exported) if isinstance(each, dict)]


def plain(session: dict[str, Any]) -> Any:
    """Return the session without its place, times in milliseconds, doubles as their bytes."""
    return bits(
        {
            name: round(value.timestamp() * 1000) if isinstance(value, datetime) else value
            for name, value in session.items()
            if name not in STOOD
        }
    )


def ordered(sessions: list[dict[str, Any]]) -> list[Any]:
    def place(session: dict[str, Any]) -> tuple[Any, ...]:
        return session["applicationId"], session["integrationId"], session["inputOffset"]

    return list(map(plain, sorted(sessions, key=place)))


def test_the_latest_and_every_snapshot(published: Published, tmp_path: Path) -> None:
    for options, wanted in (([], published.latest), (["--all"], published.sessions)):
        file = tmp_path / f"{len(options)}.avro"
        done = published.deployment.command("sessions", "export", str(file), *options, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert len(wanted) in told.values()
        last = {each.key: each.value for each in published.records}
        ended = [*last.values()].count(None)
        assert told["tombstones"] == (len(published.ends) if options else ended) > 0
        exported = read(file)
        assert ordered(exported) == ordered(wanted)
        places = [tuple(each[name] for name in PLACE) for each in exported]
        assert places == sorted(set(places))


def test_uncompressed_and_on_standard_output_it_says_the_same(
    published: Published, tmp_path: Path
) -> None:
    done = published.deployment.command(
        "sessions", "export", str(tmp_path / "deflate"), "--format=avro", "--compression=deflate"
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "none").open("wb") as output:
        piped = subprocess.run(
            [sys.executable, "-m", "processor", "sessions", "export", "-", "--compression=none"],
            env=published.deployment.environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    assert "sessions" in piped.stderr
    assert not Path("-").exists()
    assert read(tmp_path / "deflate") == read(tmp_path / "none")
    assert (tmp_path / "deflate").stat().st_size < (tmp_path / "none").stat().st_size


def lines_of(file: Path) -> list[dict[str, Any]]:
    # A text may have what Python takes for the end of a line.
    return [any_json(line) for line in file.read_text("utf-8").split("\n") if line]


@pytest.mark.parametrize("codec", ["auto", "fastavro"])
def test_each_format_has_every_record_and_the_next_part_the_rest(
    published: Published, tmp_path: Path, codec: str
) -> None:
    """Ends too; against the records as they were read without the processor."""

    def export(file: str, *options: str) -> dict[str, Any]:
        done = published.deployment.command(
            *("sessions", "export", str(tmp_path / file), "--all", "--ends", "--json"),
            *("--codec", codec, *options),
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    told = export("whole.jsonl")
    rows = lines_of(tmp_path / "whole.jsonl")
    wanted = [
        ((each.key or b"").decode(), each.value is None, each.timestamp)
        for each in published.records
    ]
    assert [
        (
            row["outputKey"],
            row["endedBy"] is not None,
            round(datetime.fromisoformat(row["outputTimestamp"]).timestamp() * 1000),
        )
        for row in rows
    ] == wanted
    assert [
        (row["outputKey"], row["endedBy"], row["version"]) for row in rows if row["endedBy"]
    ] == published.ends
    assert (told["snapshots"], told["tombstones"]) == (len(published.sessions), len(published.ends))
    assert told["split"] == 0
    export("whole.parquet")
    table = pq.read_table(tmp_path / "whole.parquet")
    kept = [plain_row(row) for row in table.to_pylist() if row["endedBy"] is None]
    assert kept == [
        plain({name: each for name, each in session.items() if name != "eventMemory"})
        for session in published.sessions
    ]
    assert table.schema.metadata[b"session-processor.next"].decode() == told["next"]
    topic, _, ends = told["next"].rpartition("@")
    middle = {place: int(end) // 2 for place, end in (e.split(":") for e in ends.split(","))}
    since = ",".join(f"{place}:{offset}" for place, offset in middle.items())
    part = export("part.jsonl", "--since", f"{topic}@{since}")
    later = [row for row in rows if row["outputOffset"] >= middle[str(row["outputPartition"])]]
    assert lines_of(tmp_path / "part.jsonl") == later
    assert part["next"] == told["next"]
    assert 0 < len(later) < len(rows)
    nothing = export("nothing.jsonl", "--since", told["next"])
    assert (nothing["snapshots"], nothing["tombstones"]) == (0, 0)


def plain_row(row: dict[str, Any]) -> Any:
    """Return a row of Parquet as a session is: maps are lists of pairs there."""

    def mapped(fields: dict[str, Any]) -> dict[str, Any]:
        maps = ("attributes", "discounts")
        return {n: dict(v) if n in maps and v is not None else v for n, v in fields.items()}

    return plain({**mapped(row), "cartItems": [mapped(item) for item in row["cartItems"]]})


def test_a_session_in_two_partitions_is_told(published: Published, tmp_path: Path) -> None:
    topic = f"split-{published.deployment.names.suffix}"
    made = NewTopic(topic, 2, 1, config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    published.deployment.admin.create_topics([made])[topic].result()
    producer = Producer({"bootstrap.servers": published.deployment.bootstrap})
    one, other = [each for each in published.records if each.value is not None][:2]
    for partition, record in ((0, one), (1, one), (1, other)):
        producer.produce(topic, record.value, record.key, partition)
    assert producer.flush(30) == 0
    done = published.deployment.command(
        "sessions", "export", str(tmp_path / "x.avro"), "--sessions-topic", topic
    )
    assert done.returncode == 0, done.stderr
    assert f"({(one.key or b'').decode()} in 0, 1)" in done.stderr
    assert "split" in done.stdout


def test_a_file_that_exists_is_left_alone(published: Published, tmp_path: Path) -> None:
    file = tmp_path / "mine.avro"
    file.write_text("precious")
    done = published.deployment.command("sessions", "export", str(file))
    assert done.returncode == 8
    assert "exists" in done.stderr
    assert file.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["mine.avro"]


def test_a_topic_that_is_not_there_leaves_no_file(published: Published, tmp_path: Path) -> None:
    done = published.deployment.command(
        "sessions", "export", str(tmp_path / "x.avro"), "--sessions-topic", "never-made"
    )
    assert done.returncode == 4
    assert not list(tmp_path.iterdir())


def test_tombstones_are_counted_and_their_sessions_left_out(
    published: Published, tmp_path: Path
) -> None:
    """On a copy of the topic, so that the other tests have it as it was."""
    gone = published.latest[-1]
    key = f"{gone['applicationId']}:{gone['integrationId']}"
    topic = f"copy-{published.deployment.names.suffix}"
    bootstrap = published.deployment.bootstrap
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    made = NewTopic(topic, 1, 1, config={"message.timestamp.after.max.ms": str(2**63 - 1)})
    published.deployment.admin.create_topics([made])[topic].result()
    logs = published.deployment.read(published.deployment.names.sessions)
    for each in chain.from_iterable(logs.values()):
        producer.produce(topic, each.value, each.key)
    producer.produce(topic, None, key)  # by hand, without headers
    assert producer.flush(30) == 0
    last = {each.key: each.value for each in published.records}
    before = {True: len(published.ends), False: [*last.values()].count(None)}
    for options, left in (([], {"sessions": len(published.latest) - 1}), (["--all"], {})):
        file = tmp_path / f"{len(options)}.avro"
        done = published.deployment.command(
            "sessions", "export", str(file), *options, "--json", "--sessions-topic", topic
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["tombstones"] == before[bool(options)] + 1
        assert told | left == told
        keys = {f"{each['applicationId']}:{each['integrationId']}" for each in read(file)}
        assert (key in keys) == bool(options)
