from collections.abc import Iterator

import pytest
from containers.compose_stack import Stack, docker


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built from this checkout."""
    tag = "session-processor:test"
    docker("build", "--quiet", "--tag", tag, ".")
    return tag


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack, built and up; `down -v` takes all of it away."""
    made = Stack()
    try:
        made.compose("up", "--build", "--wait", "--quiet-pull")
        yield made
    finally:
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
