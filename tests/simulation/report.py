"""A simulation in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from processor.ports.log import Record, Topic
from processor.state.checkpoint import CommitMetadata, ForeignText
from simulation.plan import Plan
from simulation.world import Step

_LONGEST = 160
_LOCAL = frozenset(
    f"subscription.{each}"
    for each in ("membership", "confirmed", "rebalance", "positions", "ends", "connection_error")
)
"""Calls that ask no server."""


def tells(step: Step) -> bool:
    """Whether a step is worth a line where not all are told."""
    what, result = step[3], step[5]
    return what not in _LOCAL and not (what == "subscription.take" and result == [])


def in_words(step: Step) -> str:
    """Return one step of a trace as a line."""
    number, now, process, what, args, result = step
    head = f"{number:6} {now:9.3f}s "
    if not process:
        return f"{head}*** {what}"
    given = ", ".join(_word(each) for each in args)
    return f"{head}{process}  {what}({given}){_came(result)}"


def plan_in_words(plan: Plan) -> list[str]:
    """Return what happens in a plan."""
    head = (
        f"seed {plan.seed}: {plan.processes} processes, {plan.partitions} partitions, input "
        f"{plan.history}, switching {plan.switching}, {plan.latency} s a call"
        + ", retention"
        * plan.retains
    )
    feeds = [f"  step {step}: {count} feeds" for step, count in plan.feeds if count]
    acts = [f"  {acts}" for acts in plan.actors]
    return [head, *feeds, *(f"  {happens}" for happens in plan.faults), *acts]


def _came(result: Any) -> str:
    if result is None:
        return ""
    if isinstance(result, Exception):
        return f" raised {type(result).__name__}: {str(result)[:_LONGEST]}"
    return f" = {_word(result)}"


def _word(value: Any) -> str:
    """Return a value, short; the same in every run."""
    return _words(value)[:_LONGEST]


def _words(value: Any) -> str:  # noqa: PLR0911  one for each kind of value
    if isinstance(value, bytes):
        return f"{value[:24]!r}…" if len(value) > 24 else repr(value)
    if isinstance(value, Record):
        return f"{value.partition}@{value.offset}"
    if isinstance(value, Topic):
        return value.value
    if isinstance(value, str):
        return _metadata(value)
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(_word(each) for each in value)) + "}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(k)}: {_word(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        fields = getattr(value, "_fields", None)
        name = "" if fields is None else type(value).__name__
        return f"{name}({', '.join(_word(each) for each in value)})"
    return (
        repr(value) if isinstance(value, (int, float, bool, type(None))) else type(value).__name__
    )


def _metadata(text: str) -> str:
    if not text.startswith("{"):
        return text
    try:
        found = CommitMetadata.decode(text, "")
    except ForeignText:
        return text
    return f"by {found.identity}, output {found.output}"
