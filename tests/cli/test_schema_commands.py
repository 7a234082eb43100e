"""`schemas register` and `schemas check`: what they ask, answer and exit with."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.registry import FakeRegistry, HttpRegistry
from oracle import SCHEMAS

from processor.cli.main import main
from processor.ports.registry import Reference

NAMES = ("SessionUpdate", "CustomerSession")
SUBJECTS = ("session-updates-value", "customer-sessions-value")


STATE = {"type": "enum", "name": "State", "symbols": ["open", "closed", "cancelled"]}
ITEM = {"type": "record", "name": "CartItem", "fields": [{"name": "sku", "type": "string"}]}


def timed(unit: str) -> dict[str, Any]:
    return {"type": "long", "logicalType": unit}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpRegistry]:
    with HttpRegistry(FakeRegistry()).serving() as served:
        monkeypatch.setenv("PROCESSOR_SCHEMA_REGISTRY_URL", served.url)
        yield served


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A directory of both schemas, to change."""
    for name in NAMES:
        (tmp_path / f"{name}.avsc").write_text((SCHEMAS / f"{name}.avsc").read_text())
    return tmp_path


@pytest.fixture(params=["by history", "by registry"])
def directory(request: pytest.FixtureRequest, changed: Path) -> Path:
    """The directory, and what to compare with."""
    if request.param == "by registry":
        request.getfixturevalue("served")
        assert main(["schemas", "register"]) == 0
    return changed


def edit(directory: Path, name: str, **fields: Any) -> None:
    """Change the types of fields, take those of None away, and add those that are new."""
    path = directory / f"{name}.avsc"
    schema = json.loads(path.read_text())
    kept = [each for each in schema["fields"] if fields.get(each["name"], "") is not None]
    for each in kept:
        if each["name"] in fields:
            each["type"] = fields.pop(each["name"])
            each.pop("default", None)
    kept += [{"name": key, "type": kind} for key, kind in fields.items() if kind is not None]
    path.write_text(json.dumps({**schema, "fields": kept}))


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_register_registers_once(served: HttpRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schemas", "register", "--json"]) == 0
    assert [row["registered"] for row in rows(capsys.readouterr().out)] == ["now", "now"]
    assert main(["schemas", "register", "--json"]) == 0
    told = rows(capsys.readouterr().out)
    assert [(row["subject"], row["registered"]) for row in told] == [
        (subject, "before") for subject in SUBJECTS
    ]
    assert [len(served.fake.subjects[subject]) for subject in SUBJECTS] == [1, 1]


def test_without_a_registry_register_says_which_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["schemas", "register"]) == 3
    assert "PROCESSOR_SCHEMA_REGISTRY_URL" in capsys.readouterr().err


def test_a_registry_away_is_told(served: HttpRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    served.forced = 503, "{}"
    assert main(["schemas", "register"]) == 6
    assert "the schema registry did not answer" in capsys.readouterr().err


@pytest.mark.parametrize("with_registry", [False, True])
def test_what_ships_goes_together(request: pytest.FixtureRequest, *, with_registry: bool) -> None:
    if with_registry:
        request.getfixturevalue("served")
        assert main(["schemas", "register"]) == 0
    assert main(["schemas", "check"]) == 0


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("CustomerSession", {"total": "string"}, "total: double is written, string is read"),
        ("CustomerSession", {"coupon": None}, "coupon: it is not written, and has no default"),
        ("CustomerSession", {"channel": "string"}, "channel: it is not written, and has no defau"),
        ("SessionUpdate", {"eventTime": "int"}, "eventTime: long is written, int is read"),
        (
            "SessionUpdate",
            {"eventTime": timed("timestamp-micros")},
            "eventTime: timestamp-millis is written, timestamp-micros is read",
        ),
        (
            "CustomerSession",
            {"updated": timed("local-timestamp-millis")},
            "updated: timestamp-millis is written, local-timestamp-millis is read",
        ),
        (
            "SessionUpdate",
            {"state": ["null", {**STATE, "name": "Status"}]},
            "state: enum State is written, enum Status is read",
        ),
        (
            "CustomerSession",
            {"state": {**STATE, "namespace": "shop"}, "previousState": ["null", "shop.State"]},
            "state: enum shop.State is written, sessions.State is read",
        ),
        (
            "CustomerSession",
            {"cartItems": {"type": "array", "items": {**ITEM, "name": "Line"}}},
            "cartItems[]: record CartItem is written, record Line is read",
        ),
    ],
)
def test_what_breaks_is_named(
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: dict[str, Any],
    told: str,
) -> None:
    edit(directory, name, **change)
    assert main(["schemas", "check", "--directory", str(directory), "--json"]) == 13
    error = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert error["error"] == "IncompatibleSchema"
    assert told in error["message"]
    assert f"sessions.{name}, " in error["message"]


@pytest.mark.parametrize("with_registry", [False, True])
def test_the_schema_of_commands_is_compared_where_it_is_given(
    request: pytest.FixtureRequest,
    changed: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    with_registry: bool,
) -> None:
    """And never asked of the registry, which has the subjects of input and output alone."""
    if with_registry:
        served = request.getfixturevalue("served")
        assert main(["schemas", "register"]) == 0
        assert set(served.fake.subjects) == set(SUBJECTS)
    name = "SessionCommand"
    (changed / f"{name}.avsc").write_text((SCHEMAS / f"{name}.avsc").read_text())
    assert main(["schemas", "check", "--directory", str(changed)]) == 0
    edit(changed, name, reason="string")
    capsys.readouterr()
    assert main(["schemas", "check", "--directory", str(changed), "--json"]) == 13
    error = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert "reason: it is not written, and has no default" in error["message"]
    edit(changed, name, reason=None)
    assert main(["schemas", "check", "--directory", str(changed)]) == 0


def test_the_input_may_lose_a_field_that_the_service_has_a_default_for(changed: Path) -> None:
    """Nobody else is promised to read it: forward is not asked of the input."""
    edit(changed, "SessionUpdate", referral=None)
    assert main(["schemas", "check", "--directory", str(changed)]) == 0


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a field by another name": (
        {"coupon": None, "couponCode": ["null", "string"]},
        "coupon: it is not written, and couponCode, which is, is not read: its values are lost",
    ),
    "one by another name, and always written": (
        {"referral": None, "ref": "string"},
        "referral: it is not written, and ref, which is, is not read",
    ),
    "a map by another name": (
        {"discounts": None, "savings": ["null", {"type": "map", "values": ["null", "double"]}]},
        "discounts: it is not written, and savings",
    ),
    "a symbol more": (
        {"state": ["null", {**STATE, "symbols": ["open", "closed", "cancelled", "paid"]}]},
        "state: the symbols paid are not there",
    ),
    "a branch more": (
        {"coupon": ["null", "string", "int"]},
        "coupon: int is written, null or string is read",
    ),
    "a wider type": ({"applicationId": "long"}, "applicationId: long is written, int is read"),
    "a type of a name that is another's": (
        {"channel": {"type": "fixed", "name": "CartItem", "size": 2}, "cartItems": None},
        "the type CartItem: fixed is written, record is read",
    ),
    "one that is needed by another name": (
        {"eventId": None, "id": "string"},
        "eventId: it is not written, and has no default",
    ),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES)
def test_what_the_service_would_not_read_rightly_of_a_producer_is_named(
    directory: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], told: str
) -> None:
    """The changed schema would read all that was written: only the service's own view tells."""
    edit(directory, "SessionUpdate", **change)
    assert main(["schemas", "check", "--directory", str(directory), "--json"]) == 13
    said = capsys.readouterr()
    assert told in json.loads(said.err.splitlines()[-1])["message"]
    (row,) = (
        row
        for row in rows(said.out)
        if (row["schema"], row["against"], row["direction"])
        == ("sessions.SessionUpdate", "this version's", "forward")
    )
    assert told in row["breaks"]


@pytest.mark.parametrize("name", ["SessionUpdate", "CustomerSession"])
def test_an_item_s_field_by_another_name_breaks(
    directory: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = directory / f"{name}.avsc"
    path.write_text(path.read_text().replace('"name": "category"', '"name": "section"'))
    assert main(["schemas", "check", "--directory", str(directory), "--json"]) == 13
    assert "cartItems[].category: it is not written, and section" in capsys.readouterr().err


def test_the_alias_of_who_reads_makes_it_one_field(changed: Path) -> None:
    """So a later version may call its own field otherwise, where that is all that changes."""
    path = changed / "CustomerSession.avsc"
    text = path.read_text()
    path.write_text(text.replace('"name": "sku"', '"name": "code", "aliases": ["sku"]'))
    assert main(["schemas", "check", "--directory", str(changed)]) == 13  # old readers want sku


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("level", ["NONE", "FORWARD", "BACKWARD", "FULL"])
def test_a_new_required_field_of_updates_breaks_only_who_asks_to_read_by_it(
    changed: Path, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    """The service passes over it; without a registry's level nobody reads by the schema."""
    edit(changed, "SessionUpdate", channel="string")
    assert main(["schemas", "register", "--compatibility", level]) == 0
    strict = level in {"BACKWARD", "FULL"}
    assert main(["schemas", "check", "--directory", str(changed)]) == (13 if strict else 0)
    said = capsys.readouterr().err
    assert ("channel: it is not written, and has no default" in said) == strict


def test_a_new_required_field_of_updates_breaks_nothing_without_a_registry(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(changed, "SessionUpdate", channel="string")
    assert main(["schemas", "check", "--directory", str(changed)]) == 0
    assert "are undecodable until its file is in PROCESSOR_SCHEMAS_DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "references", "why"),
    [
        ('{"type": "object"}', [], 'does not define the type "object"'),
        ('{"type": "map", "values": "int"}', [], "does not define a record"),
        (
            (SCHEMAS / "CustomerSession.avsc").read_text(),
            [Reference("sessions.State", "gone", 3)],
            "it refers to sessions.State, version 3 of gone, which the registry does not have",
        ),
    ],
)
def test_what_cannot_be_compared_is_not_nothing(
    served: HttpRegistry,
    capsys: pytest.CaptureFixture[str],
    text: str,
    references: list[Reference],
    why: str,
) -> None:
    assert main(["schemas", "register"]) == 0
    served.fake.register(SUBJECTS[1], text, references=references)
    capsys.readouterr()
    assert main(["schemas", "check", "--json"]) == 13
    said = capsys.readouterr()
    message = json.loads(said.err.splitlines()[-1])["message"]
    assert message.startswith("what breaks cannot be told: sessions.CustomerSession, ")
    assert f"{SUBJECTS[1]} version 2 cannot be compared: " in message
    assert why in message
    assert [row["against"] for row in rows(said.out) if row["direction"] == "not compared"] == [
        f"{SUBJECTS[1]} version 2"
    ]


def test_a_version_that_refers_to_others_is_compared_and_known_again(
    served: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = json.loads((SCHEMAS / "CustomerSession.avsc").read_text())
    (field,) = (each for each in schema["fields"] if each["name"] == "state")
    state, field["type"] = {**field["type"], "namespace": "sessions"}, "sessions.State"
    served.fake.register("sessions.State", json.dumps(state))
    to = Reference("sessions.State", "sessions.State", 1)
    served.fake.register(SUBJECTS[1], json.dumps(schema), references=[to])
    assert main(["schemas", "register", "--json"]) == 0
    told = {row["subject"]: row["registered"] for row in rows(capsys.readouterr().out)}
    assert told == {SUBJECTS[0]: "now", SUBJECTS[1]: "before"}
    assert main(["schemas", "check"]) == 0


def test_register_sets_the_level_of_its_subjects_where_it_is_told(
    served: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, level in (([], "NONE"), (["--compatibility", "FULL"], "FULL"), ([], "FULL")):
        assert main(["schemas", "register", "--json", *options]) == 0
        told = rows(capsys.readouterr().out)
        assert [row["compatibility"] for row in told] == [level, level]
    assert served.fake.levels == dict.fromkeys(SUBJECTS, "FULL")
    assert main(["schemas", "register", "--compatibility", "SOME"]) == 2


def test_a_field_with_a_default_breaks_nothing(changed: Path) -> None:
    path = changed / "CustomerSession.avsc"
    schema = json.loads(path.read_text())
    schema["fields"].append({"name": "channel", "type": "string", "default": ""})
    path.write_text(json.dumps(schema))
    assert main(["schemas", "check", "--directory", str(changed)]) == 0


def test_what_only_the_registry_refuses_is_a_break(
    served: HttpRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schemas", "register"]) == 0
    answer = served._answer

    def refusing(path: str, body: dict[str, str] | None) -> tuple[int, str]:
        if path.startswith("/compatibility/"):
            return 200, '{"is_compatible": false}'
        return answer(path, body)

    monkeypatch.setattr(served, "_answer", refusing)
    assert main(["schemas", "check"]) == 13
    assert "the registry refuses it" in capsys.readouterr().err


def test_a_file_that_is_no_schema_is_named(
    changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (changed / "CustomerSession.avsc").write_text("{")
    assert main(["schemas", "check", "--directory", str(changed)]) == 3
    assert "CustomerSession.avsc" in capsys.readouterr().err


@pytest.mark.parametrize("unit", ["timestamp-micros", "timestamp-nanos", None])
def test_a_version_of_another_unit_is_not_the_one_that_is_written(
    served: HttpRegistry, changed: Path, capsys: pytest.CaptureFixture[str], unit: str | None
) -> None:
    """It has the same canonical form. Without any unit it says nothing else, and is taken."""
    edit(changed, "CustomerSession", updated="long" if unit is None else timed(unit))
    served.fake.register(SUBJECTS[1], (changed / "CustomerSession.avsc").read_text())
    assert main(["schemas", "register", "--json"]) == 0
    told = {row["subject"]: row["registered"] for row in rows(capsys.readouterr().out)}
    assert told[SUBJECTS[1]] == ("before" if unit is None else "now")


@pytest.mark.parametrize(
    ("kind", "default"),
    [("string", None), ("long", "0"), ("int", 1.5), ("boolean", 0), (["null", "int"], "x")],
)
def test_a_default_of_the_wrong_type_is_refused_where_the_schema_is_to_read(
    changed: Path, capsys: pytest.CaptureFixture[str], kind: Any, default: Any
) -> None:
    path = changed / "CustomerSession.avsc"
    schema = json.loads(path.read_text())
    schema["fields"].append({"name": "channel", "type": kind, "default": default})
    path.write_text(json.dumps(schema))
    assert main(["schemas", "check", "--directory", str(changed)]) == 3
    assert "CustomerSession.avsc: Default value" in capsys.readouterr().err


@pytest.fixture
def json_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSOR_INPUT_FORMATS", "avro,json")


@pytest.mark.usefixtures("json_on")
def test_the_json_schema_is_registered_once_where_json_is_on(
    served: HttpRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    for registered in ("now", "before"):
        assert main(["schemas", "register", "--json"]) == 0
        *_, last = rows(capsys.readouterr().out)
        assert (last["subject"], last["schema"]) == ("session-updates-SessionUpdate", "JSON Schema")
        assert last["registered"] == registered
    (version,) = served.fake.subjects["session-updates-SessionUpdate"]
    assert (version.kind, served.fake.kinds[version.schema_id]) == ("JSON", "JSON")
    assert main(["schemas", "check", "--json"]) == 0
    told = {row["against"]: row["breaks"] for row in rows(capsys.readouterr().out)}
    assert told["session-updates-SessionUpdate in the registry"] == ""


@pytest.mark.usefixtures("json_on")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda schema: schema["properties"].pop("coupon"), "coupon: is not there"),
        (lambda schema: schema["properties"].update(colour={}), "colour: Avro has none"),
        (lambda schema: schema["required"].remove("eventId"), "eventId: is required in one"),
        (
            lambda schema: schema["properties"]["cartItems"]["items"]["properties"].pop("sku"),
            "cartItems[].sku: is not there",
        ),
        (lambda schema: schema.pop("properties"), "total: is not there"),
    ],
)
def test_a_json_schema_of_other_fields_than_avro_has_breaks(
    changed: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Any], object],
    told: str,
) -> None:
    path = changed / "SessionUpdate.schema.json"
    schema = json.loads((SCHEMAS / path.name).read_text())
    path.write_text(json.dumps(schema))
    assert main(["schemas", "check", "--directory", str(changed)]) == 0
    change(schema)
    path.write_text(json.dumps(schema))
    assert main(["schemas", "check", "--directory", str(changed), "--json"]) == 13
    assert told in capsys.readouterr().err
    path.unlink()
    assert main(["schemas", "check", "--directory", str(changed)]) == 3
