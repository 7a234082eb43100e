"""What of a W3C trace context is passed on, and which are taken for sampled."""

from collections.abc import Sequence

import pytest

from processor.core.trace_context import STATE_LIMIT, TraceContext, passed_on, sampled

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = ("traceparent", f"00-{TRACE}-{SPAN}-01".encode())
STATE = ("tracestate", b"vendor=of it,other=1")
OTHER = ("producer", b"checkout")

Headers = Sequence[tuple[str, bytes | None]]


@pytest.mark.parametrize(
    "headers",
    [[PARENT], [PARENT, STATE], [STATE, OTHER, PARENT, ("x", None)]],
    ids=["alone", "with a state", "among others"],
)
def test_a_sound_context_is_passed_on_as_it_came_and_no_other_header(headers: Headers) -> None:
    assert list(passed_on(headers)) == [each for each in (PARENT, STATE) if each in headers]
    found = sampled(headers)
    assert found == TraceContext(TRACE, SPAN, 1, STATE[1].decode() if STATE in headers else "")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        PARENT[1][:-1],
        PARENT[1] + b"0",
        PARENT[1] + b"-what a later version adds",
        PARENT[1].upper(),
        PARENT[1].replace(b"-", b"_"),
        PARENT[1].replace(b"-", b"0"),
        b"ff" + PARENT[1][2:],
        b"fF" + PARENT[1][2:],
        b"\xff\xfe" + PARENT[1][2:],
        b"\xc3\xa9" + PARENT[1][3:],
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"cc-{'0' * 32}-{SPAN}-01".encode(),
        f"cc-{TRACE}-{'0' * 16}-01".encode(),
        b" " + PARENT[1][1:],
        b"1" * 55,
        b"\x00" * 55,
        b"01" * 500_000,
    ],
    ids=lambda value: repr(value[:60] if value else value),
)
def test_a_traceparent_that_is_not_sound_is_none_nor_is_its_state(value: bytes | None) -> None:
    headers = [("traceparent", value), STATE]
    assert (list(passed_on(headers)), sampled(headers)) == ([], None)


@pytest.mark.parametrize(
    "value",
    [
        f"00-{'0' * 31}1-{'0' * 15}1-03",
        f"00-{TRACE[:16]}{'0' * 16}-{SPAN}-01",
        f"01-{'f' * 32}-{'f' * 16}-ff",
        f"fe-{TRACE}-{SPAN}-01",
    ],
)
def test_zeros_within_an_id_and_versions_to_come_are_sound(value: str) -> None:
    headers = [("traceparent", value.encode())]
    assert list(passed_on(headers)) == headers
    assert sampled(headers) is not None


def test_a_context_is_sampled_whose_lowest_flag_is_set() -> None:
    for flags in range(256):
        headers = [("traceparent", f"00-{TRACE}-{SPAN}-{flags:02x}".encode())]
        assert list(passed_on(headers)) == headers
        assert sampled(headers) == (TraceContext(TRACE, SPAN, flags, "") if flags & 1 else None)


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ([b""], False),
        ([None], False),
        ([b"a=" + b"b" * (STATE_LIMIT - 2)], True),
        ([b"a=" + b"b" * (STATE_LIMIT - 1)], False),
        ([b"a=" + b"b" * 1_000_000], False),
        ([b"a=\xff"], False),
        ([b"a=\n"], False),
        ([b"a=1", b"b=2"], False),
        ([b"a=1"] * 3, False),
    ],
    ids=["empty", "null", "long", "too long", "huge", "not UTF-8", "control", "twice", "thrice"],
)
def test_a_state_that_is_not_sound_is_left_out(states: list[bytes | None], *, kept: bool) -> None:
    headers: Headers = [*(("tracestate", each) for each in states), PARENT]
    assert list(passed_on(headers)) == [PARENT, *headers[:1]][: 1 + kept]
    found = sampled(headers)
    assert found is not None
    assert bool(found.state) == kept


def test_of_two_contexts_neither_holds() -> None:
    for headers in ([PARENT, PARENT], [PARENT, STATE, ("traceparent", None)]):
        assert (list(passed_on(headers)), sampled(headers)) == ([], None)


def test_names_are_told_by_every_byte() -> None:
    headers = [("Traceparent", PARENT[1]), ("traceparent ", PARENT[1]), ("b3", PARENT[1])]
    assert (list(passed_on(headers)), sampled(headers)) == ([], None)
