"""What a fault's traceback keeps alive is let go of, whether or not Python looks for cycles."""

import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator
from threading import Event
from weakref import ref

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from fakes.service import World
from system.process import eventually

from processor.kafka import producer
from processor.kafka.producer import _send_offsets
from processor.ports.log import BatchAborted, ProducerLost
from processor.runtime import assignment
from processor.runtime.batch import Batch


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(isinstance(each, Batch) for each in gc.get_objects())


def test_batches_that_are_refused_again_and_again_do_not_pile_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.feed_harsh(200, seed=1)
    service = world.service()
    service.run_until(lambda: service.health.ready()[0])
    refused = 0

    def commit(*_batch: object) -> None:
        nonlocal refused
        refused += 1
        fault = BatchAborted("refused")  # its traceback has this frame, and that has it
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(service.publication, "commit", commit)
        service.run_until(lambda: refused == 20)
    assert alive() <= 2
    service.run_until_processed()
    world.assert_exact()


class _Frame:
    """Stands for what the frames of the callers hold."""


class _Refusing:
    def send_offsets_to_transaction(self, *_given: object) -> None:
        raise KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION))


def test_offsets_that_are_refused_leave_nothing_behind() -> None:
    def send() -> ref[_Frame]:
        batch = _Frame()
        with pytest.raises(KafkaException):
            _send_offsets(_Refusing(), [TopicPartition("updates", 0, 1)], object(), 1.0)  # type: ignore[arg-type]
        return ref(batch)

    assert send()() is None


class _Hanging:
    def __init__(self) -> None:
        self.may_return = Event()

    def send_offsets_to_transaction(self, *_given: object) -> None:
        self.may_return.wait()
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def test_a_producer_that_was_left_behind_goes_when_its_call_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer, "_HANGS_S", 0.0)
    hanging = _Hanging()
    may_return, left_behind = hanging.may_return, ref(hanging)
    with pytest.raises(ProducerLost, match="does not return"):
        _send_offsets(hanging, [], object(), 0.01)  # type: ignore[arg-type]
    del hanging
    may_return.set()
    eventually("it is gone", lambda: left_behind() is None, 5)


_COUNT_ARENAS = """
import ctypes, sys, tempfile
from threading import Barrier, Thread
from processor.runtime.garbage import allocate_from_one_arena

if sys.argv[1] == "one":
    allocate_from_one_arena()
libc, all_run = ctypes.CDLL(None), Barrier(8)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p

def use():
    all_run.wait()
    libc.malloc(100_000)
    all_run.wait()

threads = [Thread(target=use) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
with tempfile.NamedTemporaryFile() as told:
    sink = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, sink)
    libc.fclose(sink)
    print(told.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="it needs glibc")
def test_threads_that_come_and_go_share_one_arena() -> None:
    def arenas(how_many: str) -> int:
        command = [sys.executable, "-c", _COUNT_ARENAS, how_many]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert arenas("one") == 1 < arenas("any")


_RESIDENT = """
import sys
from pathlib import Path
from processor.runtime.garbage import return_free_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

kept = [bytes(1_000) for _ in range(50_000)]
last = kept[-1]
kept.clear()
if sys.argv[1] == "returned":
    return_free_memory()
print(resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="it needs glibc")
def test_what_is_free_in_the_middle_of_the_heap_is_given_back() -> None:
    def pages(what: str) -> int:
        command = [sys.executable, "-c", _RESIDENT, what]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert pages("returned") + 10_000 < pages("kept")


def test_memory_is_given_back_once_all_is_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[bool] = []
    monkeypatch.setattr(assignment, "return_free_memory", lambda: returned.append(True))
    service = world.service()
    service.run_until(lambda: service.health.ready()[0])
    assert returned == [True]
