"""What the real process says of itself: probes and metrics, held to what it really did."""

import json
from collections import Counter
from pathlib import Path

from jsonschema import Draft7Validator
from prometheus_client.parser import text_string_to_metric_families
from system.deployment import Deployment
from system.process import Process, eventually

from processor.demo.traffic import updates

STATUS = json.loads((Path(__file__).parents[2] / "schemas/Status.schema.json").read_text())


def metrics(process: Process) -> dict[str, float]:
    """Return the samples, those with a label under the name and the label's value."""
    status, body = process.get("/metrics")
    assert status == 200
    return {
        " ".join([sample.name.removeprefix("session_processor_"), *sample.labels.values()]): (
            sample.value
        )
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def test_metrics_count_what_the_oracle_counts(deployment: Deployment) -> None:
    process = deployment.run()
    process.await_log("partition ready", times=deployment.partitions)
    deployment.produce(updates(6_000, seed=41, partition=deployment.partition))
    deployment.await_processed()
    oracle = deployment.assert_exact().values()
    reasons = Counter(letter.reason for each in oracle for letter in each.dead_letters)
    told = metrics(process)
    assert told["records_total accepted"] == sum(len(each.snapshots) for each in oracle)
    assert told["records_total duplicate"] == sum(each.duplicates for each in oracle) > 0
    assert told["records_total rejected"] == reasons.total()
    rejected = {
        name.split()[1]: count
        for name, count in told.items()
        if name.startswith("rejected_total ") and count
    }
    assert rejected == reasons
    assert len(reasons) >= 6
    assert told["batch_records_sum"] == 6_000
    assert told["assigned_partitions"] == deployment.partitions
    for stage in ("decode", "load", "fold", "publish", "store"):
        assert told[f"stage_seconds_count {stage}"] > 0
    assert told["end_to_end_seconds_count"] > 0
    assert told["redis_seconds_count"] > 0
    assert told["last_commit_timestamp_seconds"] > 1_700_000_000
    code, text = process.get("/status")
    assert code == 200
    status = json.loads(text)
    Draft7Validator(STATUS).validate(status)
    letters = Counter[str]()
    for each in status["partitions"]:
        letters.update(each["deadLetters"])
    assert letters == reasons
    assert status["process"]["member"]
    eventually(
        "no lag is told",
        lambda: {metrics(process).get(f"lag_records {each}") for each in range(4)} == {0},
    )
    process.terminate()


def test_ready_comes_with_the_restore_and_the_restore_is_measured(deployment: Deployment) -> None:
    deployment.produce(updates(2_000, seed=42, partition=deployment.partition))
    assert deployment.run("--until-end").wait(180) == 0
    # Another prefix has nothing yet: all is restored from the output.
    process = deployment.run(redis_prefix=f"{deployment.names.prefix}-other")
    ready, body = process.probe("/readyz")
    assert not ready
    assert body["reasons"]
    eventually("ready", process.ready)
    assert process.log.count("partition ready") == deployment.partitions
    told = metrics(process)
    assert told["rebuilds_total"] == deployment.partitions
    for each in range(deployment.partitions):
        assert told[f"restore_done_records {each}"] == told[f"restore_expected_records {each}"] > 0
    process.terminate()


def test_who_has_nothing_assigned_is_ready_and_measures_no_partition(
    deployment: Deployment,
) -> None:
    """One process more than partitions: whoever has none is no reason to roll a release back."""
    processes = [deployment.run() for _ in range(deployment.partitions + 1)]

    def assigned() -> list[float]:
        return sorted(metrics(each)["assigned_partitions"] for each in processes)

    eventually("one each, and none for one", lambda: assigned() == [0, 1, 1, 1, 1])
    eventually("all are ready", lambda: all(each.ready() for each in processes))
    (spare,) = [each for each in processes if metrics(each)["assigned_partitions"] == 0]
    assert not [name for name in metrics(spare) if name.startswith("lag_records")]
    deployment.produce(updates(400, seed=43, partition=deployment.partition))
    deployment.await_processed()
    assert metrics(spare)["records_total accepted"] == 0
    deployment.assert_exact()
