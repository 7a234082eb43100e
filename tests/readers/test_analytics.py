"""The recipes of docs/analytics.md, as they stand, against a plain recount."""

import json
import re
import shlex
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import golden
import oracle
import pytest
import recount
import shop_history
from documented import prompts
from oracle import Snapshot
from readers.conftest import Published
from shop_history import LATE, LATE_CLOSED

ANALYTICS = Path(__file__).parents[2] / "docs" / "analytics.md"
SEED = 20
Rows = list[dict[str, Any]]
LIBRARIES = ("DuckDB", "ClickHouse", "polars")
NOW = ("by_state", "devices", "top_articles", "first_sessions")
EVER = ("funnel", "revenue_a_day", "abandoned_carts", "coupons")


@pytest.fixture(scope="module")
def history() -> Rows:
    return shop_history.rows(SEED)


@pytest.fixture(scope="module")
def exported(history: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both files."""
    where = tmp_path_factory.mktemp("analytics")
    shop_history.write_parquet(where / "history.parquet", history)
    shop_history.write_parquet(where / "sessions.parquet", shop_history.latest(history))
    return where


def section(title: str) -> str:
    text = ANALYTICS.read_text("utf-8")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def duck(asked: str) -> list[tuple[Any, ...]]:
    found = duckdb.sql(asked)
    assert found is not None
    return found.fetchall()


def clickhouse(asked: str) -> recount.Answer:
    import chdb

    query: Any = chdb.query
    return rows(query(asked, "JSONEachRow"))


def rows(answer: Any) -> recount.Answer:
    """Return what a library found, days as texts."""
    if hasattr(answer, "fetchall"):
        found = answer.fetchall()
    elif hasattr(answer, "rows"):
        found = answer.rows()
    else:
        found = [tuple(json.loads(line).values()) for line in str(answer).splitlines()]
    return [tuple(str(e) if hasattr(e, "isoformat") else e for e in row) for row in found]


def program(library: str) -> str:
    """Return the page's own program."""
    (found,) = re.findall(r"```python\n(.*?)```", section(library), re.DOTALL)
    return str(found)


def recounted(history: Rows, sessions: Rows) -> dict[str, recount.Answer]:
    return {
        **{name: getattr(recount, name)(sessions) for name in NOW},
        **{name: getattr(recount, name)(history) for name in EVER},
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_pages_recipes_find_what_a_plain_recount_finds(
    library: str,
    history: Rows,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(exported)
    found: dict[str, Any] = {}
    exec(program(library), found)  # noqa: S102  the page's own
    told = {name: rows(found[name]) for name in NOW + EVER}
    assert told == recounted(history, shop_history.latest(history))
    assert all(told.values())
    assert len(re.findall(r"^print\(", program(library), re.MULTILINE)) == len(told)
    assert "scanner" in capsys.readouterr().out
    documented = re.findall(r"^\| `(\w+)` \|", section("What the recipes count"), re.MULTILINE)
    assert sorted(documented) == sorted(told)


def test_the_pages_commands_write_what_its_recipes_read(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(each, comments=True) for each in prompts(ANALYTICS.read_text("utf-8"))]
    assert [program for program, *_ in commands] == ["session-processor"] * 2
    for _, *words in commands:
        done = published.deployment.command(*words)
        assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {"sessions.parquet", "history.parquet"}
    history = [shop_history.row(Snapshot.of(e), place, e.offset) for place, e in published.placed]
    wanted = recounted(history, shop_history.latest(history))
    for library in LIBRARIES:
        found: dict[str, Any] = {}
        exec(program(library), found)  # noqa: S102  the page's own
        assert {name: rows(found[name]) for name in NOW + EVER} == wanted, library


def test_the_traffic_has_what_makes_counts_wrong(history: Rows) -> None:
    """Each shortcut that the page warns of finds something else here."""
    lives, sessions = recount.lives(history), shop_history.latest(history)
    assert sum(life.ended for life in lives) > 50
    assert len(lives) > len({row["outputKey"] for row in history}) + 50
    booked = [row for life in lives for _, row in life.transitions if row["state"] == "closed"]
    snapshots = [row for row in history if not row["endedBy"]]
    assert len(booked) < sum(row["state"] == "closed" for row in snapshots)
    assert sum(row["total"] for row in booked) != recount.cents(booked) / 100
    days = recount.revenue_a_day(history)
    assert any(kept < booked for _, _, booked, _, kept, _ in days)
    assert any(cancelled for *_, cancelled, _, _ in days)
    assert max(row["updated"] for row in snapshots) > max(r["outputTimestamp"] for r in history)
    touched = [max(map(recount.happened, life.snapshots)) for life in lives]
    assert touched != [recount.happened(life.last) for life in lives]
    assert any(ever > at_close for _, ever, at_close in recount.coupons(history))
    firsts = recount.first_sessions(sessions)
    assert sum(row["firstSession"] for row in sessions) > sum(first for _, _, first, _, _ in firsts)
    assert sum(overtook for *_, overtook in firsts) > 5


def test_typed_columns_find_what_types_guessed_from_json_do_not(
    history: Rows, exported: Path
) -> None:
    """A guess that is wrong is no error: it finds nothing."""
    late = [row for row in history if row["outputPartition"] == 0]
    late[:LATE] = [{**row, "attributes": {"channel": '"web"'}} for row in late[:LATE]]
    guessed = exported / "guessed.jsonl"
    guessed.write_text("".join(json.dumps(row) + "\n" for row in late))
    shop_history.write_parquet(exported / "typed.parquet", late)
    closed = "state = 'closed' AND previousState = 'open'"
    scanned = "json_extract_string(to_json(attributes), '$.device') IS NOT NULL"
    found = [
        duck(f"SELECT count_if({closed}), count_if({scanned}) FROM {file}")  # noqa: S608
        for file in (f"read_json('{guessed}')", f"'{exported}/typed.parquet'")
    ]
    assert found == [[(0, 0)], [(LATE_CLOSED, sum("device" in row["attributes"] for row in late))]]


def test_a_sum_of_doubles_is_not_the_sum_and_a_cast_cuts_off(exported: Path) -> None:
    file = exported / "history.parquet"
    late = f"'{file}' WHERE outputPartition = 0 AND previousState IS NULL"
    asked = f"SELECT sum(total), fsum(total), sum(round_even(total * 100, 0)::BIGINT) FROM {late}"  # noqa: S608
    ((naive, kahan, cents),) = duck(asked)
    assert naive != kahan == cents / 100 == LATE / 10
    asked = (
        f"SELECT sum(total), sumKahan(total) FROM file('{file}') "  # noqa: S608
        "WHERE outputPartition = 0 AND isNull(previousState)"
    )
    ((_, kahan),) = clickhouse(asked)
    assert kahan == LATE / 10
    assert clickhouse("SELECT toFloat64(toDecimal64(0.29, 2))") == [(0.28,)]


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry that has one schema, under every id."""
    text = (oracle.SCHEMAS / "CustomerSession.avsc").read_text()
    answer = json.dumps({"schema": text}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_clickhouse_reads_a_registrys_framing_into_the_pages_columns(
    registry: str, tmp_path: Path
) -> None:
    vectors = json.loads((golden.CONTRACT / "vectors.json").read_text())
    records = (record for case in vectors for record in case["records"])
    values = [bytes.fromhex(each["snapshot"]) for each in records if each.get("snapshot")]
    sessions = [*map(oracle.decode_session, values)]
    (tmp_path / "framed").write_bytes(b"".join(b"\0\0\0\0\7" + value[10:] for value in values))
    found = re.search(
        r"CREATE TABLE history \((.*?),\s+outputKey", section("Continuously"), re.DOTALL
    )
    assert found
    columns = found[1].replace("'", "\\'")
    asked = (
        "SELECT count(), countIf(state = 'closed' AND previousState = 'open'), "  # noqa: S608
        "toUnixTimestamp64Milli(max(updated)), sum(length(attributes)), sum(cartItems[1].quantity) "
        f"FROM file('{tmp_path}/framed', AvroConfluent, '{columns}') "
        f"SETTINGS format_avro_schema_registry_url = '{registry}'"
    )
    assert clickhouse(asked) == [
        (
            len(sessions),
            sum((e["state"], e["previousState"]) == ("closed", "open") for e in sessions),
            max(each["updated"] for each in sessions),
            sum(len(each["attributes"]) for each in sessions),
            sum(each["cartItems"][0]["quantity"] for each in sessions if each["cartItems"]),
        )
    ]
