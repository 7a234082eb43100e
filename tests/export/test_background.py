"""What is written to standard output is written where Ctrl-C finds it."""

import signal
import subprocess
import sys

WRITE = """
import sys
from processor.export.background import Background
writing = Background(sys.stdout.buffer)
print("writing", file=sys.stderr, flush=True)
writing.run(sys.stdout.buffer.write, bytes(10_000_000))
writing.close()
"""


def test_an_export_to_a_reader_that_stalls_is_ended_by_ctrl_c() -> None:
    command = [sys.executable, "-c", WRITE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "writing\n"
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
