"""Ports for local servers."""

import pytest

from processor.local import ports


def test_no_port_is_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose second port is drawn while it is down must not get its own port again."""
    first = ports.free_port()
    monkeypatch.setattr(ports, "_LOWEST", first)
    monkeypatch.setattr(ports, "_HIGHEST", first)
    with pytest.raises(OSError, match="no free port"):
        ports.free_port()
    monkeypatch.setattr(ports, "_given", set())
    with pytest.raises(OSError, match="no free port"):
        ports.free_port(first)
    assert ports.free_port() == first
