"""Each key's last record and the keys of several partitions, however little is held in memory."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.export.latest import Places, latest
from processor.ports.log import Record

keys = st.sampled_from([b"1:a", b"1:b", b"1:c", b"\xff", b"", None])
histories = st.lists(
    st.lists(st.tuples(keys, st.none() | st.binary(max_size=3)), max_size=5), max_size=6
)


def chunks_of(history: list[list[tuple[bytes | None, bytes | None]]]) -> list[list[Record]]:
    at = iter(range(10, 1_000, 3))
    return [[Record(4, next(at), 7, key, value, ()) for key, value in part] for part in history]


@given(histories, st.sampled_from([0, 500, 1_500, 10**9]))
def test_each_keys_last_record_comes_by_offset(
    history: list[list[tuple[bytes | None, bytes | None]]], held: int
) -> None:
    chunks = chunks_of(history)
    last = {each.key or b"": each for chunk in chunks for each in chunk}
    found = [each for chunk in latest(chunks, held) for each in chunk]
    assert found == sorted(last.values(), key=lambda each: each.offset)


def test_what_later_records_replace_takes_no_memory_and_no_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spilled: list[int] = []
    monkeypatch.setattr(
        "processor.export.latest._Spilled.add", lambda _, rows: spilled.append(len(rows))
    )
    history = chunks_of([[(b"1:a", bytes(400)), (b"1:b", bytes(400))]] * 100)
    assert [each for chunk in latest(history, 1_200) for each in chunk] == history[-1]
    assert spilled == []


@pytest.mark.parametrize("at_once", [1, 10_000])
def test_keys_of_several_partitions_are_found(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.export.latest._KEYS", at_once)
    with closing(Places()) as places:
        for partition, names in enumerate(["abc", "bd", "", "bcz"]):
            for name in names:
                record = Record(partition, 0, 0, f"1:{name}".encode(), b"value", ())
                places.met(partition, [record, record])
        places.met(3, [Record(3, 9, 0, None, b"", ())])
        found = places.split(10)
        assert found == (2, {"1:b": [0, 1, 3], "1:c": [0, 3]})
        assert places.split(1).sessions == 2
