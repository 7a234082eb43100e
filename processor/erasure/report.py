"""What was erased, and by when it is gone from each place: a JSON document without any value."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from processor.core.validate import MAX_EVENT_TIME
from processor.erasure.ids import Ids
from processor.errors import InputError
from processor.ports.instants import epoch_ms, iso_time

FORMAT: Final = 1

_TIMES: Final = ("asked_at", "applied_at", "verified_at")
_PLACE_TIMES: Final = ("values_by", "keys_by")

State = Literal["gone", "gone by", "kept", "not ours", "should be gone", "began again"]
"""The last two are what a search can find that comes after the erasure."""


class PlaceState(NamedTuple):
    """What stands in one place. Times are in milliseconds since 1970."""

    place: str
    state: State
    records: int
    """How many named an id when it was looked at."""
    values_by: int | None = None
    """When no value is there any more; None: gone, or never by the settings that there are."""
    keys_by: int | None = None
    """The same of keys without a value."""
    at: Sequence[str] = ()
    """Where some of it stands, `partition:offset`."""
    what_to_do: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether it is not as it should be."""
        return self.state in {"should be gone", "began again"}


class Where(NamedTuple):
    """Which deployment a report is about."""

    cluster: str
    group: str
    updates: str
    sessions: str


class Report(NamedTuple):
    """A report, which holds the ids until nothing of them is found any more, and then hashes."""

    where: Where
    asked_at: int
    salt: str
    """What the hashes are made with."""
    hashed: bool
    ids: Ids
    """Also the sessions that were found by a profile or an identifier."""
    commands: int
    behind: Mapping[int, int] | None = None
    """The input offset behind the last command, by partition, or else the end that it was read to;
    None: nothing is known to be sent."""
    read_to: Mapping[int, int] = {}
    """The ends of the input before it was looked for what to erase."""
    applied_at: int | None = None
    """When the service was seen to have passed the commands."""
    verified_at: int | None = None
    """When everything was found gone."""
    places: Sequence[PlaceState] = ()

    def hash_ids(self) -> "Report":
        """Return it with hashes in the place of ids."""
        if self.hashed:
            return self
        return self._replace(hashed=True, ids=self.ids.hashed(self.salt))

    def encode(self) -> bytes:
        """Return the report as JSON."""
        fields = {
            "format": FORMAT,
            **self._asdict(),
            "where": self.where._asdict(),
            "ids": {name: sorted(kind) for name, kind in self.ids._asdict().items()},
            **{name: _iso(getattr(self, name)) for name in _TIMES},
            "places": [
                {**each._asdict(), **{name: _iso(getattr(each, name)) for name in _PLACE_TIMES}}
                for each in self.places
            ],
        }
        return json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> "Report":
        """Read a report. Raises InputError for what is none that this version knows."""
        try:
            fields: dict[str, Any] = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise InputError(
                    "the report has a format that this version cannot read",
                    hint="use the version that wrote it. Nothing was changed",
                )
            return cls(
                **{
                    **fields,
                    "where": Where(**fields["where"]),
                    "ids": Ids(**{name: frozenset(kind) for name, kind in fields["ids"].items()}),
                    "behind": fields["behind"] and _by_partition(fields["behind"]),
                    "read_to": _by_partition(fields["read_to"]),
                    **{name: _ms(fields[name]) for name in _TIMES},
                    "places": tuple(_place_of(each) for each in fields["places"]),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                "the file is no report of `sessions erase`",
                hint="give the file that `sessions erase --yes` wrote. Nothing was changed",
            ) from error

    def require(self, where: Where) -> None:
        """Raise InputError where the report is about another deployment."""
        for name, own, theirs in zip(Where._fields, self.where, where, strict=True):
            if own != theirs:
                raise InputError(
                    f"the report is of another deployment: its {name} is {own}, and that of these "
                    f"settings {theirs}",
                    hint="give the settings of the deployment that it was made of. Nothing was "
                    "changed",
                )


def _place_of(fields: Mapping[str, Any]) -> PlaceState:
    times = {name: _ms(fields[name]) for name in _PLACE_TIMES}
    return PlaceState(**{**fields, **times, "at": tuple(fields["at"])})


def _by_partition(found: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in found.items()}


def _iso(moment: int | None) -> str | None:
    # A record's timestamp may be later than any date.
    return None if moment is None else iso_time(min(moment, MAX_EVENT_TIME))


def _ms(text: str | None) -> int | None:
    return None if text is None else epoch_ms(datetime.fromisoformat(text))
