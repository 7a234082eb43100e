"""An erasure from the question to the proof: look, apply, verify."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from processor.core.command import SessionCommand
from processor.erasure.deployment import Deployment
from processor.erasure.discovery import Discovered, Discovery, Reading
from processor.erasure.ids import Ids, Sought
from processor.erasure.report import PlaceState, Report
from processor.erasure.search import Found, Since
from processor.erasure.sending import await_passed, commands_of, left_to_pass, not_passed, send
from processor.erasure.states import REDIS, is_done, states, verdicts
from processor.errors import InputError, NotFound
from processor.partitions.commands_ready import require_commands_known
from processor.ports.chunks import Passed
from processor.ports.clock import Clock

_CACHE_S: Final = 30.0
_AGAIN_S: Final = 0.2


class Plan(NamedTuple):
    """What an erasure would do, and what it would come to."""

    discovered: Discovered
    commands: Sequence[tuple[int, SessionCommand]]
    """Each with its input partition."""
    found: Mapping[str, Found]
    report: Report
    """As it is before anything is sent."""

    @property
    def kept(self) -> list[str]:
        """The places that keep it without an end."""
        return kept_in(self.report.places)


def kept_in(places: Sequence[PlaceState]) -> list[str]:
    """Return the places that keep something without an end."""
    return [each.place for each in places if each.state == "kept"]


class Erasure:
    """Erases in one deployment. Methods raise what its parts do."""

    def __init__(
        self,
        deployment: Deployment,
        clock: Clock,
        fresh: Callable[[], str],
        passed: Passed = lambda _: None,
    ) -> None:
        """`fresh` returns a name that nobody ever had; `passed` is told of offsets that were read.

        Nothing may name an id that is told to anybody but by what is returned.
        """
        self._deployment = deployment
        self._clock = clock
        self._fresh = fresh
        self._passed = passed

    def look(self, asked: Ids) -> Plan:
        """Read everything, and return what would be done; changes nothing.

        Raises NotFound where nothing of it is anywhere, and FailClosed where commands are not known
        in every partition.
        """
        deployment = self._deployment
        require_commands_known(deployment.coordination, deployment.partitions)
        ends = deployment.ends()
        log = Reading(
            deployment.coordination,
            deployment.scan,
            deployment.values,
            self._clock,
            self._passed,
        )
        discovered = Discovery(asked, log, self._fresh)()
        ids = asked.with_sessions(discovered.sessions)
        found = deployment.search(Sought(ids), Since(), self._passed)
        if not discovered.targets and not any(each.records for each in found.values()):
            raise NotFound(
                "nothing of what is asked for was found anywhere",
                hint="ids are compared letter by letter, and a session or a profile is one of its "
                "application. Nothing was changed",
            )
        now = self._clock.now_ms()
        commands = [*commands_of(discovered.targets, now, self._fresh)]
        report = Report(
            deployment.where,
            now,
            salt=self._fresh(),
            hashed=False,
            ids=ids,
            commands=len(commands),
            read_to=ends,
            places=states(found, deployment.lifetimes(), now),
        )
        return Plan(discovered, commands, found, report)

    def send(self, plan: Plan) -> Report:
        """Send the commands; return the report of it."""
        behind = send(self._deployment.sender, plan.commands)
        return plan.report._replace(behind={**plan.report.read_to, **behind})

    def finish(self, report: Report, found: Mapping[str, Found], seconds: float) -> Report:
        """Wait until the service has passed what was sent; return the report of that.

        Raises Unavailable where that takes longer.
        """
        behind = report.behind or {}
        await_passed(self._deployment.coordination, behind, self._clock, seconds)
        # Redis is written after the commit.
        start = self._clock.monotonic()
        cached = self._cached(report)
        while cached.records and self._clock.monotonic() - start < _CACHE_S:
            self._clock.wait(_AGAIN_S)
            cached = self._cached(report)
        return self._finished(report, {**found, REDIS: cached})

    def verify(self, report: Report) -> tuple[Report, list[PlaceState]]:
        """Search for what was erased; return the report as it is from now on, and what was found.

        Raises InputError for the report of another deployment, or of commands that were never sent,
        and Unavailable while the service has not passed them. Nothing is sent.
        """
        deployment = self._deployment
        report.require(deployment.where)
        if report.behind is None:
            raise InputError(
                "by this report it is not known that anything was sent: that run ended before",
                hint="erase once more, with another --report. Nothing was changed",
            )
        sought = Sought(report.ids, report.salt if report.hashed else "")
        if report.applied_at is None:
            left = left_to_pass(deployment.coordination, report.behind)
            if left:
                raise not_passed(left, "not passed yet")
        since = Since(report.behind, report.read_to)
        found = deployment.search(sought, since, self._passed)
        if report.applied_at is None:
            report = self._finished(report, found)
        judged = verdicts(report, found, self._clock.now_ms())
        if is_done(judged):
            report = report.hash_ids()._replace(verified_at=self._clock.now_ms())
        return report, judged

    def _finished(self, report: Report, found: Mapping[str, Found]) -> Report:
        now = self._clock.now_ms()
        places = states(found, self._deployment.lifetimes(), now)
        return report._replace(applied_at=now, places=places)

    def _cached(self, report: Report) -> Found:
        return self._deployment.search_cache(Sought(report.ids))
