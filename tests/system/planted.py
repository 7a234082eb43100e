"""Secrets that no output may have."""

from typing import Final

PLANTED: Final = {
    "sasl": "planted-sasl-password",
    "redis": "planted-redis-password",
    "key": "planted-key-password",
    "client": "planted-client-secret",
}
MARK: Final = "planted-"


def leaked(*texts: str) -> list[str]:
    """Return the lines that have a secret."""
    return [line for text in texts for line in text.splitlines() if MARK in line]
