"""Reading ahead: what comes next is fetched while the last that came is written."""

import sys
from collections.abc import Iterator, Sequence
from threading import Event, Lock, Thread

import pytest
from avro_bytes import SCHEMAS, SNAPSHOTS, needs_compiled
from values import NOON, a_session

from processor.avro.choice import chosen
from processor.export.read_ahead import ReadAhead
from processor.ports.log import Record

PATIENCE_S = 30.0


def record(offset: int) -> Record:
    return Record(0, offset, NOON, b"7:visit", SNAPSHOTS.write(a_session()), ())


def test_the_next_chunk_is_fetched_while_one_is_dealt_with() -> None:
    fetching = Event()

    def chunks() -> Iterator[Sequence[Record]]:
        yield [record(1)]
        fetching.set()
        yield []
        yield [record(2)]

    found = ReadAhead(chunks())
    assert next(found) == [record(1)]
    assert fetching.wait(PATIENCE_S)
    assert list(found) == [[], [record(2)]]


def test_fetching_begins_before_anything_is_asked_for() -> None:
    fetching = Event()

    def chunks() -> Iterator[Sequence[Record]]:
        fetching.set()
        yield [record(1)]

    found = ReadAhead(chunks())
    assert fetching.wait(PATIENCE_S)
    assert list(found) == [[record(1)]]
    found.close()


def test_what_fetching_raises_is_raised_behind_what_came() -> None:
    def chunks() -> Iterator[Sequence[Record]]:
        yield [record(1)]
        raise ConnectionError

    found = ReadAhead(chunks())
    assert next(found) == [record(1)]
    with pytest.raises(ConnectionError):
        next(found)


def test_what_is_let_go_of_fetches_no_more() -> None:
    closed = Event()

    def chunks() -> Iterator[Sequence[Record]]:
        try:
            while True:
                yield []
        finally:
            closed.set()

    found = ReadAhead(chunks())
    next(found)
    del found
    assert closed.wait(PATIENCE_S)


@needs_compiled
@pytest.mark.parametrize("work", ["columns", "lines", "datums"])
def test_others_run_while_the_compiled_codec_works(work: str) -> None:
    """No thread is given Python's lock here unless the one that holds it lets go."""
    export = chosen("auto", SCHEMAS).export
    records = [record(at) for at in range(2_000)]
    held, ran = Lock(), Event()
    held.acquire()

    def other() -> None:
        with held:
            ran.set()

    thread = Thread(target=other)
    thread.start()
    former = sys.getswitchinterval()
    sys.setswitchinterval(10 * PATIENCE_S)
    try:
        held.release()
        for _ in range(100):
            getattr(export, work)(records, [SNAPSHOTS.header])
            if ran.is_set():
                break
        seen = ran.is_set()
    finally:
        sys.setswitchinterval(former)
    thread.join(PATIENCE_S)
    assert seen
