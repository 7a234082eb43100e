"""The pages of what the processes say of themselves: overview, partitions, incidents."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from starlette.requests import Request

from processor.console.app import Pages, Shown
from processor.console.members import Members, Told, View
from processor.console.verdict import Trouble, curl, of_partition, rows, troubles
from processor.errors import NotFound
from processor.ports.instants import iso_time

_A_PAGE: Final = 40
"""Rows: a page of these with their lines is far below 100 KB."""
_PAGE: Final = re.compile("[1-9][0-9]{0,8}")
_INCIDENTS: Final = 60
_TROUBLES: Final = 30


class StatusPages:
    """Made of one view of the members."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def add_to(self, pages: Pages) -> None:
        """Add them."""
        pages.add("/", "overview.html", self.overview, twin="/overview.json")
        pages.add("/partitions", "partitions.html", self.partitions)
        pages.add("/partitions/{number:int}", "partition.html", self.partition)
        pages.add("/incidents", "incidents.html", self.incidents)

    def overview(self, request: Request) -> Shown:
        """Is it well; if not, what to run."""
        view = self._members.view()
        found, owned = troubles(view), rows(view)
        document = {
            "at": iso_time(view.at),
            "well": not found,
            "troubles": [_trouble(each) for each in islice(found, _TROUBLES)],
            "more": max(0, len(found) - _TROUBLES),
            "processes": [_process(told) for told in view.members],
            "partitions": view.partitions,
            "owned": len(owned),
            "lagRecords": sum(row["lagRecords"] or 0 for row in owned),
            "lagSeconds": max((row["lagSeconds"] or 0 for row in owned), default=None),
        }
        return Shown(document, _curls(view), {"live": _is_live(request)})

    def partitions(self, request: Request) -> Shown:
        """Every partition, a page at a time."""
        view = self._members.view()
        found = rows(view)
        last = max(1, -(-len(found) // _A_PAGE))
        asked = request.query_params.get("page", "")
        page = min(int(asked), last) if _PAGE.fullmatch(asked) else 1
        some = found[(page - 1) * _A_PAGE : page * _A_PAGE]
        document = {
            "at": iso_time(view.at),
            "partitions": [
                {**row, "lags": view.lags.get(row["partition"], []), "well": not of_partition(row)}
                for row in some
            ],
            "total": len(found),
            "expected": view.partitions,
            "page": page,
            "pages": last,
        }
        more = {"live": _is_live(request), "last": last}
        return Shown(document, ["session-processor offsets show", *_curls(view)[:1]], more)

    def partition(self, request: Request) -> Shown:
        """One partition, and what to run."""
        number = request.path_params["number"]
        view = self._members.view()
        for row in rows(view):
            if row["partition"] == number:
                trouble = of_partition(row)
                told = None if trouble is None else _trouble(trouble)
                lags = view.lags.get(number, [])
                document = {**row, "lags": lags, "trouble": told}
                commands = [
                    f"session-processor offsets show --partition {number}",
                    curl(row["url"], "status"),
                ]
                return Shown(document, commands)
        raise NotFound(
            f"no process that answers has partition {number}",
            hint="the overview says which processes answer, and which partitions nobody has",
        )

    def incidents(self, request: Request) -> Shown:
        """Tell what went wrong lately, of all processes, the latest first."""
        view = self._members.view()
        wanted = request.query_params.get("level", "")
        found = [
            {**each, "url": told.place.url}
            for told in view.members
            if told.status
            for each in told.status["incidents"]
            if wanted in {"", each["level"]}
        ]
        found.sort(key=lambda each: str(each["at"]), reverse=True)
        document = {"incidents": found[:_INCIDENTS], "total": len(found)}
        return Shown(document, _curls(view), {"level": wanted})


def _is_live(request: Request) -> bool:
    """Whether the page renews itself."""
    return request.query_params.get("live") != "no"


def _trouble(each: Trouble) -> dict[str, Any]:
    return {**each._asdict(), "advice": [advice._asdict() for advice in each.advice]}


def _process(told: Told) -> dict[str, Any]:
    about: dict[str, Any] = {}
    if told.status is not None:
        about = {name: told.status[name] for name in ("live", "ready")} | told.status["process"]
        about["partitions"] = len(told.status["partitions"])
    return {**told.place._asdict(), "answers": told.status is not None, "why": told.why, **about}


def _curls(view: View) -> Sequence[str]:
    return [curl(told.place.url, "status") for told in view.members[:5]]
