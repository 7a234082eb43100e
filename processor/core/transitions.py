"""The state machine of a session: open→closed, open→cancelled, closed→cancelled, nothing else."""

from collections.abc import Mapping
from typing import Final

from processor.core.session import State

SUCCESSORS: Final[Mapping[State, frozenset[State]]] = {
    "open": frozenset({"closed", "cancelled"}),
    "closed": frozenset({"cancelled"}),
    "cancelled": frozenset(),
}


def may_follow(current: State, named: str) -> bool:
    """Whether an update may name `named`. To name the current state is no transition."""
    return named == current or named in SUCCESSORS[current]
