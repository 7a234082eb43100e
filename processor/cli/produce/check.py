"""Every line of a source, looked at before the first is sent."""

from typing import Final

from rich.progress import Progress

from processor.cli.common.output import note, print_json
from processor.cli.produce.lines import Source
from processor.core.session import INITIAL, session_key
from processor.core.update import SessionUpdate
from processor.telemetry.visible import printable

_SESSIONS: Final = 1_000_000
"""How many sessions are remembered while lines are checked: some 80 MB."""
_TOLD: Final = 100
"""How many bad lines people are told of; programs are told of all."""


def check(source: Source, bar: Progress, *, as_json: bool) -> int:
    """Tell of all bad lines, and return how many there are.

    Raises InputError for what is not JSON lines as a whole.
    """
    source.require_lines()
    task = bar.add_task("checking, bytes", total=source.size)
    bad = 0
    unborn = _Unborn(as_json=as_json)
    for line in source.lines():
        bar.update(task, completed=line.end)
        if isinstance(line.update, str):
            bad += 1
            if as_json:
                print_json({"line": line.number, "wrong": line.update})
            elif bad <= _TOLD:
                note(f"line {line.number}: {printable(line.update)}")
        else:
            unborn.see(line.number, line.update)
    bar.update(task, completed=source.size)
    if bad > _TOLD:
        note(f"and {bad - _TOLD:,} more", as_json=as_json)
    return bad


class _Unborn:
    """Tells of updates that end a session which no line before them begins."""

    def __init__(self, *, as_json: bool) -> None:
        self._seen: set[int] = set()
        self._as_json = as_json
        self._told = 0

    def see(self, number: int, update: SessionUpdate) -> None:
        """Take the next update. Past many sessions nothing is told any more."""
        if self._told >= _TOLD or len(self._seen) >= _SESSIONS:
            return
        key = session_key(update.application_id, update.integration_id)
        if update.state not in {None, INITIAL} and hash(key) not in self._seen:
            self._told += 1
            note(
                f"line {number}: state is {update.state}, and no line before it has session "
                f"{printable(key)}: unless that exists, the update is rejected; begin it with "
                f"state {INITIAL}, or without one",
                as_json=self._as_json,
            )
        self._seen.add(hash(key))
