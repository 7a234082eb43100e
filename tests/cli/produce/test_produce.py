"""`produce`, on real servers: what arrives, and that nothing arrives twice."""

import io
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import pytest
from system.deployment import Deployment

from processor.errors import UnpublishableError
from processor.kafka.clients import Cluster
from processor.kafka.senders import UpdateSender
from processor.ports.log import Committed, LogUnavailable, Outgoing, ProducerLost, Topic

_SCHEMA = fastavro.parse_schema(
    json.loads((Path(__file__).parents[3] / "schemas" / "SessionUpdate.avsc").read_text())
)
_LEAST = '{"applicationId": 1, "integrationId": "a", "eventId": "%d"}\n'


def produce(
    deployment: Deployment, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "processor", "produce", *arguments],
        env=deployment.environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def sent(deployment: Deployment) -> list[tuple[bytes | None, dict[str, Any]]]:
    """Read what is committed with a plain reader, in the order of each partition."""
    found = []
    for records in deployment.read(deployment.names.updates).values():
        for record in records:
            value = record.value or b""
            assert value[:2] == b"\xc3\x01"
            update = fastavro.schemaless_reader(io.BytesIO(value[10:]), _SCHEMA, None)
            assert isinstance(update, dict)
            found.append((record.key, update))
    return found


def test_lines_become_updates_that_any_avro_reader_reads(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "updates.jsonl"
    file.write_text(
        '\ufeff{"applicationId": 1, "integrationId": "a", "eventId": "e1", "state": "open",'
        ' "eventTime": "2026-03-01T12:00:00Z", "attributes": {"n": 1e999, "gone": null}}\r\n'
        "\n"
        '{"applicationId": 2, "integrationId": "b:c", "total": 3, "cartItems":'
        ' [{"name": "é", "sku": "S", "quantity": 2, "price": 1, "attributes": {"x": [1]}}]}'
    )
    done = produce(deployment, str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sent"] == 2
    by_key = dict(sent(deployment))
    first, second = by_key[b"1:a"], by_key[b"2:b:c"]
    assert first["eventTime"].isoformat() == "2026-03-01T12:00:00+00:00"
    assert first["attributes"] == {"n": "1e999", "gone": None}
    assert (first["eventId"], first["state"], first["coupon"]) == ("e1", "open", None)
    assert second["eventId"]
    assert second["cartItems"][0]["attributes"] == {"x": "[1]"}
    assert second["total"] == 3.0


def test_nothing_is_sent_while_a_line_is_bad(deployment: Deployment) -> None:
    given = _LEAST % 1 + "nope\n" + '{"integrationId": "a"}\n' + _LEAST % 2
    done = produce(deployment, "-", given=given)
    assert done.returncode == 8
    assert "line 2: it is not JSON" in done.stderr
    assert "line 3: applicationId is missing" in done.stderr
    assert "nothing was sent" in done.stderr
    assert sent(deployment) == []

    done = produce(deployment, "-", "--skip-bad", "--json", given=given)
    assert done.returncode == 8
    *bad, summary = map(json.loads, done.stdout.splitlines())
    assert [each["line"] for each in bad] == [2, 3]
    assert (summary["sent"], summary["bad"]) == (2, 2)
    assert [update["eventId"] for _, update in sent(deployment)] == ["1", "2"]


def test_a_file_is_sent_once_unless_asked_again(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "updates.jsonl"
    file.write_text("".join(_LEAST % number for number in range(12_000)) + "\n\n")
    first = json.loads(produce(deployment, str(file), "--json").stdout)
    assert (first["sent"], first["sentBefore"]) == (12_000, 0)
    second = json.loads(produce(deployment, str(file), "--json").stdout)
    assert (second["sent"], second["sentBefore"]) == (0, 12_002)
    again = json.loads(
        produce(deployment, str(file), "--again", "--from-line", "11999", "--json").stdout
    )
    assert again["sent"] == 2
    # Lines that are appended are sent alone; the content of other files decides, not their name.
    with file.open("a") as more:
        more.write(_LEAST % 12_000 + '{"applicationId": 1, "integrationId": "a"}')
    longer = json.loads(produce(deployment, str(file), "--json").stdout)
    assert (longer["sent"], longer["sentBefore"]) == (2, 12_002)
    with file.open("a") as more:
        more.write("\n" + _LEAST % 12_001)
    longest = json.loads(produce(deployment, str(file), "--json").stdout)
    assert (longest["sent"], longest["sentBefore"]) == (1, 12_004)
    ids = [update["eventId"] for _, update in sent(deployment)]
    made = ids[-2]
    assert ids == [*map(str, range(12_000)), "11998", "11999", "12000", made, "12001"]


def test_the_same_lines_piped_twice_are_sent_twice(deployment: Deployment) -> None:
    for _ in range(2):
        assert produce(deployment, "-", given=_LEAST % 1).returncode == 0
    assert len(sent(deployment)) == 2


def test_the_partitioner_is_as_asked(deployment: Deployment) -> None:
    given = "".join(
        f'{{"applicationId": 1, "integrationId": "{number}"}}\n' for number in range(40)
    )
    done = produce(deployment, "-", "--partitioner", "consistent_random", given=given)
    assert done.returncode == 0
    for partition, records in deployment.read(deployment.names.updates).items():
        assert {deployment.partition(record.key) for record in records} <= {partition}


def test_a_topic_that_is_absent_is_a_users_mistake(deployment: Deployment) -> None:
    done = produce(deployment, "-", "--updates-topic", "no-such-topic", given=_LEAST % 1)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_absent_is_told(deployment: Deployment) -> None:
    assert produce(deployment, "no-such-file").returncode == 9


# The sender itself.


def sender(deployment: Deployment, source: str = "source") -> UpdateSender:
    names = deployment.names
    topics = {
        Topic.UPDATES: names.updates,
        Topic.SESSIONS: names.sessions,
        Topic.DEAD_LETTERS: names.dead_letters,
        Topic.CLAIMS: names.claims,
    }
    cluster = Cluster({"bootstrap.servers": deployment.bootstrap}, names.group, topics)
    return UpdateSender(cluster, source, "murmur2_random")


def records(*values: bytes) -> Sequence[Outgoing]:
    return [Outgoing(Topic.UPDATES, 0, -1, b"k", value, ()) for value in values]


def values(deployment: Deployment) -> list[bytes | None]:
    return [record.value for record in deployment.read(deployment.names.updates)[0]]


def test_a_sender_that_was_cut_off_is_followed_from_where_it_stood(deployment: Deployment) -> None:
    first, second = sender(deployment), sender(deployment)
    assert first.open() == 0
    first.send(records(b"1", b"2"), 0, 2)
    producer = first._transactions.live()
    producer.begin(name_each=True)
    producer.send(records(b"lost"))
    producer.flush()
    assert second.open() == 2
    second.send(records(b"3"), 2, 3)
    second.close()
    first.close()
    assert values(deployment) == [b"1", b"2", b"3"]


def test_a_sender_that_was_superseded_sends_nothing_more(deployment: Deployment) -> None:
    first, second = sender(deployment), sender(deployment)
    first.open()
    assert second.open() == 0
    second.send(records(b"1", b"2"), 0, 2)
    with pytest.raises(LogUnavailable):
        first.send(records(b"1"), 0, 1)
    second.close()
    first.close()
    assert values(deployment) == [b"1", b"2"]


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sender(deployment)
    one.open()
    transactions = one._transactions
    real = transactions.transact

    def transact(records: Sequence[Outgoing], after: dict[int, Committed]) -> None:
        monkeypatch.setattr(transactions, "transact", real)
        real(records, after)
        raise ProducerLost("no answer to the commit")

    monkeypatch.setattr(transactions, "transact", transact)
    one.send(records(b"1"), 0, 1)
    one.send(records(b"2"), 1, 2)
    one.close()
    assert values(deployment) == [b"1", b"2"]


def test_an_update_that_no_broker_takes_is_named(deployment: Deployment) -> None:
    one = sender(deployment)
    one.open()
    with pytest.raises(UnpublishableError, match="b'k'"):
        one.send(records(b"1", random.Random(1).randbytes(2_000_000)), 0, 2)
    one.close()
    assert values(deployment) == []
