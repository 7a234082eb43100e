import json

import pytest

from processor.errors import FailClosed
from processor.replay.plan import Plan, Range
from processor.state.checkpoint import Stream

STREAM = Stream("c", "u", "s", "d", "p", 3, "single-object")
PLAN = Plan("night", 7, STREAM, {0: Range(3, 9), 2: Range(0, 0)}, {0: 12, 2: 4}, {0: 1, 1: 0})


def test_a_plan_reads_as_it_was_written() -> None:
    assert Plan.decode(PLAN.encode()) == PLAN
    assert Plan.decode(PLAN._replace(promoted=True).encode()).promoted
    assert PLAN.offsets == 6


def test_a_plan_of_other_formats_says_so_to_former_versions() -> None:
    plain = json.loads(PLAN.encode())
    assert (plain["format"], "formats" in plain["stream"]) == (1, False)
    several = PLAN._replace(stream=STREAM._replace(formats="avro,json"))
    assert json.loads(several.encode())["format"] == 2
    assert Plan.decode(several.encode()) == several


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_what_is_no_plan_is_refused(value: bytes) -> None:
    with pytest.raises(FailClosed, match="not one of the session processor"):
        Plan.decode(value)


def test_a_newer_plan_is_refused() -> None:
    with pytest.raises(FailClosed, match="cannot read"):
        Plan.decode(PLAN.encode().replace(b'"format":1', b'"format":3'))
