"""The memory of the last 16 accepted event ids."""

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st
from values import names

from processor.core.memory import REMEMBERED, event_hash, remember, remembers


def test_an_id_is_remembered_by_8_bytes_of_blake2b() -> None:
    assert event_hash("é") == blake2b("é".encode(), digest_size=8).digest()


@given(st.lists(names, max_size=40, unique=True))
def test_the_last_16_are_remembered_and_no_other(ids: list[str]) -> None:
    memory = b""
    for event_id in ids:
        memory = remember(memory, event_hash(event_id))
    assert memory == b"".join(map(event_hash, ids[-REMEMBERED:]))
    known = [remembers(memory, event_hash(event_id)) for event_id in ids]
    assert known == [place >= len(ids) - REMEMBERED for place in range(len(ids))]


def test_a_hash_across_two_others_is_not_remembered() -> None:
    memory = b"abcdefgh" + b"ijklmnop"
    assert remembers(memory, b"ijklmnop")
    assert not remembers(memory, b"efghijkl")
    assert remembers(memory + b"efghijkl", b"efghijkl")
    assert not remembers(b"", b"abcdefgh")
