"""docs/performance.md names what the bench has, and the bench can find what it clocks."""

import re
from functools import reduce
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.figures import Figures, percentiles, steady
from bench.growth import stamped
from bench.peers.check import difference
from bench.peers.roster import PEERS
from bench.peers.table import markdown
from bench.report import PAGE, replaced, sections
from bench.scenarios import SCENARIOS, Scenario
from bench.service import Sample
from bench.stages import CLOCKED
from processor.avro.codec import CommandCodec, UpdateCodec
from processor.avro.schemas import load_schemas
from processor.stages.decode import Decode

TEXT = PAGE.read_text()
ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("scenario", list(Scenario))
def test_every_scenario_can_run_and_is_documented(scenario: Scenario) -> None:
    assert scenario in SCENARIOS
    assert f"`{scenario}`" in TEXT or f"--scenario {scenario}" in TEXT


def test_every_command_of_the_page_exists() -> None:
    targets = set(re.findall(r"make (bench[a-z-]*)", TEXT))
    assert targets == {"bench", "bench-peers", "bench-report"}
    for target in targets:
        assert re.search(rf"^{target}: setup ## ", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("command", ["bench.__main__", "bench.peers.__main__", "bench.report"])
def test_every_option_of_the_page_exists(command: str) -> None:
    import typer

    app = typer.Typer()
    app.command()(import_module(command).main)
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    target = {"bench.__main__": "bench"}.get(command, "bench-" + command.split(".")[1])
    for given in re.findall(rf"`make {target} ARGS='?([^`']+)'?`", TEXT):
        for option in re.findall(r"--[a-z-]+", given):
            assert option in help_text, given


@pytest.mark.parametrize("stage", list(CLOCKED))
def test_every_stage_is_where_it_is_clocked(stage: str) -> None:
    assert CLOCKED[stage]
    for module, name in (each.split(":") for each in CLOCKED[stage]):
        *path, last = name.split(".")
        owner: object = reduce(getattr, path, import_module(module))
        assert last in vars(owner)  # what is inherited, or every class's __call__, is no stage
        assert callable(vars(owner)[last])


def test_every_peer_is_documented_and_its_sources_are_there() -> None:
    for peer in PEERS[1:]:
        assert peer.title.rstrip("0123456789.").strip().lower() in TEXT.lower()
    assert all((ROOT / path).exists() for path in re.findall(r"`(bench/peers/[a-z/]+\.py)`", TEXT))


def test_sections_have_their_markers_and_nothing_else_is_changed() -> None:
    figures: dict[str, Figures] = {
        Scenario.THROUGHPUT: {"cpu_us_per_event": 12.5},
        Scenario.STAGES: {
            f"cpu_us_per_event.{name}": 1.0
            for name in (*CLOCKED, "rest_of_the_loop", "threads_of_librdkafka")
        },
        Scenario.FORMATS: {"cpu_us_per_event.json.compiled": 3.0},
        Scenario.SIZE: {
            f"{name}.1000_sessions": 1.0
            for name in ("cpu_us_per_event", "events_per_second", "peak_rss_mb", "redis_mb")
        },
        Scenario.RETENTION: {
            f"{name}.generation_1": 2.0
            for name in (
                *("sessions", "redis_sessions_mb", "output_mb"),
                *("profiles", "redis_claims_mb", "claims_topic_mb"),
            )
        },
    }
    page = TEXT
    written = sections(figures, {"peers": {}, "not_measured": {"streams": "no mvn"}})
    for name, text in written.items():
        page = replaced(page, name, text)
    assert set(written) == set(re.findall(r"<!-- (\w+): begin -->", TEXT))
    between = r"(<!-- \w+: begin -->\n).*?(<!-- \w+: end -->)"
    bare = [re.sub(between, r"\1\2", each, flags=re.DOTALL) for each in (TEXT, page)]
    assert bare[0] == bare[1]
    assert "not measured: no mvn" in page
    assert "| JSON | 3.0 | not measured |" in page
    assert "| 1,000 | 1.0 |" in page
    assert "| 1 | 2 | 2 |" in page


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers for peers"):
        replaced("nothing", "peers", "text")


def test_a_peer_stands_with_its_ratio() -> None:
    names = ("cpu_us_per_event", "events_per_second", "latency_p50_ms", "latency_p99_ms")
    ours: Figures = dict.fromkeys((*names, "back_seconds", "peak_rss_mb"), 10.0)
    theirs: Figures = ours | {"cpu_us_per_event": 25.0, "back_seconds": None}
    text = markdown({"processor": ours, "plain": theirs}, {})
    assert "| Plain loop | 25.0 (2.5×) | 10.0 (1×) |" in text
    assert "not measured" in text


def test_steady_rates_leave_out_the_warm_up_and_what_stood_still() -> None:
    seen = [(0.0, 0, 0.0), (1.0, 100, 9.0), (2.0, 300, 9.2), (3.0, 500, 9.4), (9.0, 500, 9.4)]
    samples = [Sample(at, records, cpu, 1_000_000) for at, records, cpu in seen]
    found = steady(samples, 100)
    assert found["events_per_second"] == pytest.approx(200)
    assert found["cpu_us_per_event"] == pytest.approx(1000)
    assert found["peak_rss_mb"] == 1.0
    assert steady(samples[:2], 100)["events_per_second"] is None


def test_percentiles_of_nothing_are_not_measured() -> None:
    assert percentiles([])["latency_p99_ms"] is None
    assert percentiles([0.001, 0.002, 0.003])["latency_max_ms"] == pytest.approx(3)


def test_the_quick_updates_are_valid_and_distinct() -> None:
    from processor.core.update import SessionUpdate
    from processor.formats.updates import Updates
    from processor.ports.log import Record

    known = load_schemas()
    decode = Decode(Updates(UpdateCodec(known.updates)), CommandCodec(known.commands))

    found = []
    for offset, update in enumerate(stamped(range(5, 8), 0x1001)):
        record = Record(0, offset, update.timestamp, update.key, update.value, ())
        decoded = decode.read(record)
        assert isinstance(decoded, SessionUpdate)
        found.append(decoded)
    assert [each.integration_id for each in found] == ["s-00000005", "s-00000006", "s-00000007"]
    assert all(one.event_id != other.event_id for one, other in pairwise(found))


def test_a_difference_is_told_by_key_and_field() -> None:
    ours = {b"k": [{"total": 1.0}], b"l": [{"total": 2.0}]}
    assert difference(ours, ours) is None
    assert difference(ours, {b"k": [{"total": 1.0}]}) == (
        "b'l': 1 snapshots of the processor, 0 of the peer"
    )
    assert "total: 2.0 and 3.0" in str(difference(ours, {**ours, b"l": [{"total": 3.0}]}))
