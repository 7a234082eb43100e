"""Ports for local servers.

Free ports are taken below the range that systems give to outgoing connections. In that range a
client which retries a server that is down may connect to itself, and then hold the server's port.
"""

import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
_ATTEMPTS = 1_000
_given: set[int] = set()
"""What this process was told already: its server may not listen yet, or not at the moment."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):  # the latter: no such port
            return False
        return True


def free_port(*taken: int) -> int:
    """Return a port that is free now, is none of `taken`, and was not returned before.

    Drawn at random, so that two processes hardly ever agree.
    """
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randint(_LOWEST, _HIGHEST)
        if port not in _given and port not in taken and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port found between {_LOWEST} and {_HIGHEST}")
