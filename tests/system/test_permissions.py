"""The permissions that docs/operations/ lists are enough, and each of them is needed."""

from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from secured_kafka import PROCESSOR
from servers import Names
from system.deployment import Deployment
from system.granted import Permission, grant, of_commands, of_run, revoke, revoke_all

from processor.demo.traffic import updates

FIRST = (next(iter(updates(1, seed=3))).key or b"").decode()
"""A session that `fill` has updates of."""


def fill(secured: Deployment) -> None:
    """Leave an aborted transaction in each topic that is written to, then fill the input."""
    names = secured.names
    producer = Producer({**secured.client, "transactional.id": f"test-{names.suffix}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic in (names.sessions, names.dead_letters, names.claims):
        producer.produce(topic, b"never committed", key=b"1:x", partition=0)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)
    secured.produce(updates(400, seed=3, partition=secured.partition))


def test_what_is_documented_for_run_is_enough(secured: Deployment) -> None:
    """It consumes, publishes, rejects and claims, fences a dead owner, and restores."""
    grant(secured.admin, secured.names, of_run())
    dead = secured.run_sabotaged("before-commit", 2, max_batch="100")
    dead.await_log("partition ready")
    # It is there already, so that it comes before the transaction's timeout.
    successor = secured.run()
    successor.await_log("assignment changed")
    fill(secured)
    assert dead.wait(180) < 0, dead.log[-3000:]
    secured.await_processed()
    assert "fencing a former owner" in successor.log
    successor.terminate()
    (oracle,) = secured.assert_exact().values()
    assert oracle.dead_letters
    assert any(secured.read(secured.names.claims).values())
    restored = secured.run("--until-end", redis_prefix=f"{secured.names.prefix}-again")
    assert restored.wait(180) == 0, restored.log[-3000:]
    assert "rebuilding the cache" in restored.log


@pytest.mark.parametrize("missing", of_run(), ids=lambda each: f"{each.operation}-{each.name}")
def test_whichever_run_lacks_is_named(secured: Deployment, missing: Permission) -> None:
    grant(secured.admin, secured.names, [each for each in of_run() if each != missing])
    fill(secured)
    process = secured.run("--until-end")
    assert process.wait(180) == 7, process.log[-3000:]
    error = process.log[process.log.index("error: ") :]
    assert f"the user {PROCESSOR} lacks " in error
    assert missing.told(secured.names) in error
    # Nothing else is blamed.
    others = {each.told(secured.names) for each in of_run()} - {missing.told(secured.names)}
    assert not [each for each in others if each in error]


# Those that a service goes on needing when it has taken its partitions over.
TAKEN = [
    Permission("topic", "session-updates", "Read"),
    Permission("topic", "customer-sessions", "Write"),
    Permission("group", "session-processor", "Read"),
]


@pytest.mark.parametrize("taken", TAKEN, ids=lambda each: f"{each.operation}-{each.name}")
def test_a_permission_that_is_taken_away_is_named_too(
    secured: Deployment, taken: Permission
) -> None:
    grant(secured.admin, secured.names, of_run())
    process = secured.run()
    process.await_log("partition ready")
    revoke(secured.admin, secured.names, taken)
    fill(secured)
    assert process.wait(180) == 7, process.log[-3000:]
    assert f" lacks {taken.told(secured.names)}\n" in process.log


COMMANDS = [
    ("topics check",),
    ("produce", "updates.jsonl"),
    ("offsets show",),
    ("sessions watch", "--from-beginning", "--limit", "1"),
    ("sessions history", FIRST),
    ("sessions export", "sessions.avro"),
    ("dead-letters list",),
    ("dead-letters redrive", "--yes"),
    ("replay plan", "--from-earliest"),
    ("replay run", "--name", "again", "--from-earliest"),
    ("replay status", "again"),
    ("replay diff", "again"),
    ("replay promote", "again", "--yes"),
    ("replay list",),
    ("sessions erase", "--session", "1:a", "--yes", "--wait", "0"),
    ("replay drop", "again", "--yes"),
    ("sessions expire", "--state", "closed", "--older-than", "1d", "--yes"),
]


def as_documented(secured: Deployment, command: str, *options: str) -> str:
    """Run a command with what its lines say and nothing else; return what it printed."""
    revoke_all(secured.admin, secured.names)
    grant(secured.admin, secured.names, of_commands()[command])
    done = secured.command(*command.split(), *options)
    # No service runs that would pass what is sent.
    code = 6 if command == "sessions erase" else 0
    assert done.returncode == code, f"{command}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


def test_what_is_documented_for_the_commands_is_enough(
    secured: Deployment, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("updates.jsonl").write_text('{"applicationId": 1, "integrationId": "a"}\n')
    for topic in secured.admin.delete_topics([names.dead_letters, names.claims]).values():
        topic.result(30)
    as_documented(secured, "topics create")
    fill(secured)
    grant(secured.admin, names, of_run())
    assert secured.run("--until-end").wait(180) == 0
    for command in COMMANDS:
        as_documented(secured, *command)
    reset = ConsumerGroupTopicPartitions(names.group, [TopicPartition(names.updates, 0, 7)])
    for answer in secured.admin.alter_consumer_group_offsets([reset]).values():
        answer.result(30)
    as_documented(secured, "offsets repair", "--yes")
    assert secured.committed() == {0: 400}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("topics check", "DESCRIBE on topic session-updates "),
        ("topics create", "DESCRIBE on topic session-updates "),
    ],
)
def test_a_command_that_lacks_all_names_what_it_met_first(
    secured: Deployment, command: str, told: str
) -> None:
    done = secured.command(*command.split())
    assert done.returncode == 7, done.stderr
    assert told.replace("session-updates", secured.names.updates) in done.stderr
