"""Signals end the process, also one whose main thread never comes back."""

import os
import signal
import subprocess
import sys
from threading import Event

from processor.runtime.shutdown import stopped_by_signals

_STUCK = """
import sys
from threading import Event, Lock
from processor.runtime.shutdown import stopped_by_signals

def waits_for_ever(lock):
    lock.acquire()

with stopped_by_signals(Event(), last_moment=0.2):
    print("inside", flush=True)
    lock = Lock()
    lock.acquire()
    waits_for_ever(lock)
"""


def test_a_signal_asks_for_the_end_and_leaves_nothing_behind() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        before, stopping = signal.getsignal(number), Event()
        with stopped_by_signals(stopping):
            assert not stopping.is_set()
            os.kill(os.getpid(), number)
            assert stopping.wait(10)
        assert signal.getsignal(number) is before
    descriptor = signal.set_wakeup_fd(-1)
    assert descriptor == -1


def test_a_process_that_is_stuck_ends_and_says_where_it_was() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _STUCK], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    process.terminate()
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "does not return" in told
    assert "waits_for_ever" in told


def test_a_signal_before_the_service_listens_ends_it_well() -> None:
    """Its command is being imported then, which takes half a second."""
    program = """
import os, signal, sys, types
sys.argv[1:] = ["run"]
stub = types.ModuleType("processor.cli.main")
stub.main = lambda: os.kill(os.getpid(), signal.SIGTERM)
sys.modules[stub.__name__] = stub
from processor.__main__ import main
sys.exit(main() or 5)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert ended.returncode == 0
