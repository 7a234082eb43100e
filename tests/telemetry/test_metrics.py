"""What the metrics tell after the calls of a batch."""

from prometheus_client import generate_latest

from processor.core.outcome import Reason
from processor.telemetry.metrics import Lag, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"session_processor_{name}", labels)


def test_a_batch_counts_by_outcome_and_reason() -> None:
    metrics = Metrics("fastavro")
    metrics.batch(
        accepted=7,
        duplicates=2,
        rejected={Reason.UNDECODABLE: 1, Reason.TOO_LARGE: 3},
        commands={("erase", "ended"): 2},
        expired={"closed": 4},
        seconds=0.02,
        commit_seconds=0.005,
    )
    assert value(metrics, "records_total", outcome="accepted") == 7
    assert value(metrics, "records_total", outcome="duplicate") == 2
    assert value(metrics, "records_total", outcome="rejected") == 4
    assert value(metrics, "rejected_total", reason="too-large") == 3
    assert value(metrics, "rejected_total", reason="key-mismatch") == 0
    assert value(metrics, "batch_records_sum") == 15
    assert value(metrics, "records_total", outcome="command") == 2
    assert value(metrics, "commands_total", command="erase", outcome="ended") == 2
    assert value(metrics, "commands_total", command="expire", outcome="passed-over") == 0
    assert value(metrics, "expired_total", state="closed") == 4
    assert value(metrics, "expired_total", state="open") == 0
    assert value(metrics, "batch_seconds_sum") == 0.02
    assert value(metrics, "commit_seconds_count") == 1


def test_the_series_of_a_partition_end_with_its_assignment() -> None:
    metrics = Metrics("fastavro")
    metrics.assigned([1, 2])
    metrics.lag({1: Lag(5, 0.5), 2: Lag(0, 0.0)})
    metrics.restore(1, 10, 20)
    assert value(metrics, "lag_records", partition="1") == 5
    assert value(metrics, "lag_seconds", partition="1") == 0.5
    assert value(metrics, "restore_done_records", partition="1") == 10
    assert value(metrics, "restore_expected_records", partition="1") == 20
    metrics.assigned([2])
    assert value(metrics, "assigned_partitions") == 1
    assert value(metrics, "lag_records", partition="1") is None
    assert value(metrics, "restore_done_records", partition="1") is None
    assert value(metrics, "lag_records", partition="2") == 0


def test_a_halted_partition_is_told_while_it_is_assigned() -> None:
    metrics = Metrics("fastavro")
    metrics.halted(1, halted=False)
    metrics.halted(2, halted=True)
    metrics.limit_passed("ratio")
    assert value(metrics, "halted", partition="1") == 0
    assert value(metrics, "halted", partition="2") == 1
    assert value(metrics, "halts_total", limit="ratio") == 1
    assert value(metrics, "halts_total", limit="consecutive") == 0
    metrics.assigned([1])
    assert value(metrics, "halted", partition="2") is None


def test_the_cache_is_counted_and_sized() -> None:
    metrics = Metrics("fastavro")
    metrics.cache(hits=3, misses=1, held_bytes=100, sessions=2)
    metrics.cache(hits=1, misses=0, held_bytes=90, sessions=1)
    assert value(metrics, "cache_hits_total") == 4
    assert value(metrics, "cache_misses_total") == 1
    assert value(metrics, "cache_bytes") == 90
    assert value(metrics, "cache_sessions") == 1


def test_incidents_are_counted_one_by_one() -> None:
    metrics = Metrics("fastavro")
    for happened in (
        metrics.aborts,
        metrics.fences,
        metrics.store_failures,
        metrics.rebuilds,
        metrics.rebalances,
    ):
        happened.inc()
    for name in ("aborts", "fences", "store_failures", "rebuilds", "rebalances"):
        assert value(metrics, f"{name}_total") == 1


def test_the_codec_in_use_is_told_and_no_creation_times_are() -> None:
    text = generate_latest(Metrics("fastavro").registry).decode()
    assert 'session_processor_build_info{codec="fastavro",version="' in text
    assert "_created" not in text
    assert "process_resident_memory_bytes" in text
