"""Is it well; if not, what to run. Pure."""

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any, Final, NamedTuple

from processor.console.members import Told, View

LATE_S: Final = 300.0
"""The seconds of lag that the alert has too."""
_CLI: Final = "session-processor"


class Advice(NamedTuple):
    """One thing to do: in words, and the command for it, empty where there is none."""

    text: str
    command: str = ""


class Trouble(NamedTuple):
    """Something that is not well."""

    severity: str
    """`error`: something stands still; `warning`: it may come to that."""
    subject: str
    what: str
    advice: Sequence[Advice]
    partition: int | None = None


def troubles(view: View) -> list[Trouble]:
    """Return what is not well, errors first."""
    found = [*_of_deployment(view)]
    for told in view.members:
        found += _of_member(told)
    found += _unowned(view)
    return sorted(found, key=lambda each: (each.severity, each.partition or 0))


def of_partition(row: dict[str, Any]) -> Trouble | None:
    """Return what is not well with a partition, None where nothing is."""
    number, phase = row["partition"], row["phase"]
    subject = f"partition {number}"
    if phase in _ADVICE:
        reason = row["reason"] or "no reason is told"
        what = reason if reason.startswith(phase) else f"{phase}: {reason}"
        severity = "warning" if phase in _PASSING else "error"
        return Trouble(severity, subject, what, _advice(phase, number), number)
    if (row["lagSeconds"] or 0) > LATE_S:
        what = f"is {row['lagSeconds']:,.0f} s behind, {row['lagRecords']:,} records"
        return Trouble("warning", subject, what, _advice("late", number), number)
    return None


def curl(url: str, path: str) -> str:
    """Return the command that asks a process; whoever may write to Redis chose its URL."""
    return f"curl -s {quote(f'{url}/{path}')}"


def rows(view: View) -> list[dict[str, Any]]:
    """Return every partition with who has it, those first that are not well, then by number."""
    found = [
        {
            **each,
            "member": told.status["process"]["member"] or told.place.url,
            "url": told.place.url,
        }
        for told in view.members
        if told.status
        for each in told.status["partitions"]
    ]
    return sorted(found, key=lambda row: (of_partition(row) is None, row["partition"]))


def _of_deployment(view: View) -> Iterator[Trouble]:
    if view.fault:
        advice = Advice("the settings as this process has them", f"{_CLI} config show")
        yield Trouble("error", "the deployment", view.fault, [advice])
    if not view.members:
        text = (
            "start one; or where it runs, set PROCESSOR_HTTP_ADVERTISE, or give --member URL here"
        )
        what = "no process announces itself under this prefix"
        yield Trouble("error", "processes", what, [Advice(text, f"{_CLI} run")])


def _of_member(told: Told) -> Iterator[Trouble]:
    url = told.place.url
    if told.status is None:
        text = "see on that machine whether it runs, and what its log says"
        what = f"does not answer: {told.why}"
        yield Trouble("error", url, what, [Advice(text, curl(url, "status"))])
        return
    if not told.status["live"]:
        text = "its log says where it hangs; then restart it"
        what = "its loop has not turned for a minute"
        yield Trouble("error", url, what, [Advice(text, curl(url, "livez"))])
    found = [*filter(None, map(of_partition, told.status["partitions"]))]
    yield from found
    named = {each.subject for each in found}
    named |= {f"dead letters of {name}" for name in named}
    for kind, texts in (("warning", told.status["warnings"]), ("error", told.status["reasons"])):
        for subject, text in texts.items():
            # What holds a partition back stands above, with what to run.
            if not any(subject.endswith(each) for each in named):
                advice = Advice("what the process says of it", curl(url, "readyz"))
                yield Trouble(kind, f"{subject} ({url})", text, [advice])


def _unowned(view: View) -> Iterator[Trouble]:
    if view.partitions is None or any(told.status is None for told in view.members):
        return
    absent = sorted({*range(view.partitions)} - {row["partition"] for row in rows(view)})
    if absent and view.members:
        listed = ", ".join(map(str, absent[:20])) + (" …" if len(absent) > 20 else "")  # noqa: PLR2004
        advice = [
            Advice("nothing, while processes come or go: it takes seconds"),
            Advice("see whether the service refuses to go on there", f"{_CLI} offsets show"),
        ]
        yield Trouble("warning", "partitions", f"nobody has {listed}", advice)


_PASSING: Final = {"restoring", "taking over"}
_LETTERS: Final = (
    Advice("see what came", "dead-letters summary --partition {0}"),
    Advice("and the latest of it", "dead-letters list --partition {0} --limit 20"),
    Advice(
        "mend the producer or the schemas; then restart the process: the partition goes on", "run"
    ),
    Advice(
        "what was rejected by mistake goes back so", "dead-letters redrive --partition {0} --yes"
    ),
)
_ADVICE: Final[dict[str, Sequence[Advice]]] = {
    "halted": _LETTERS,
    "waiting for a schema": (
        Advice("see which schemas are known, and what breaks", "schemas check"),
        Advice("register what the record names: it goes on within a minute", "schemas register"),
    ),
    "damaged": (
        Advice('"a batch of the input is damaged" in docs/operations/failures.md says what to do'),
        Advice("see where the partition stands", "offsets show --partition {0}"),
    ),
    "stalled": (
        Advice('"a partition is stalled" in docs/operations/runbooks.md says what to do'),
        Advice("see where the partition stands", "offsets show --partition {0}"),
    ),
    "restoring": (Advice("nothing: it is read from the output topic"),),
    "taking over": (Advice("nothing, if it takes seconds; else see what it waits for, above"),),
    "late": (
        Advice("start another process, up to one a partition", "run"),
        Advice("see where the partition stands", "offsets show --partition {0}"),
    ),
}


def _advice(phase: str, partition: int) -> list[Advice]:
    return [
        Advice(text, f"{_CLI} {command.format(partition)}" if command else "")
        for text, command in _ADVICE[phase]
    ]
