"""The console on a fake deployment, asked without a port."""

from fakes.clock import FakeClock
from fakes.console import FakeSource
from starlette.testclient import TestClient

from processor.console.console import Wishes, console
from processor.console.security import Guard
from processor.console.values import Masking
from processor.ports.clock import Clock

HERE = "http://localhost:9465"
DATA_PAGES = (
    "/session?key=1:cart-1",
    "/session/history?key=1:cart-1",
    "/session/history?key=1:cart-1&as-of=2h",
    "/dead-letters",
    "/dead-letters/3:17",
    "/replays",
    "/replays/again",
    "/replays/again/diff",
    "/topics",
)
"""Those of what the servers tell."""


def client(
    source: FakeSource,
    *,
    guard: Guard | None = None,
    masking: Masking | None = None,
    clock: Clock | None = None,
) -> TestClient:
    """Return a client, of which a browser on this machine is one."""
    wishes = Wishes("g", guard or Guard(frozenset({"localhost"})), masking or Masking())
    app = console(source, wishes, clock or FakeClock(), source.asking)
    return TestClient(app, base_url=HERE, raise_server_exceptions=False)
