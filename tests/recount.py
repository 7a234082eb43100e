"""The recipes of docs/analytics.md counted plainly, apart from every library of theirs."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from oracle import DAY_MS

Row = dict[str, Any]
Answer = list[tuple[Any, ...]]


@dataclass
class Life:
    """A session from its first snapshot to its end, if it has one."""

    snapshots: list[Row] = field(default_factory=list)
    ended: bool = False

    @property
    def last(self) -> Row:
        return self.snapshots[-1]

    @property
    def transitions(self) -> Iterator[tuple[str, Row]]:
        for before, after in zip(self.snapshots, self.snapshots[1:], strict=False):
            if before["state"] != after["state"]:
                yield before["state"], after

    def ever(self, name: str, *values: Any) -> bool:
        """Whether the field ever had one of the values; without values, any that is not empty."""
        return any(row[name] in values if values else row[name] for row in self.snapshots)


def lives(history: list[Row]) -> list[Life]:
    found: list[Life] = []
    current: dict[tuple[int, str], Life] = {}
    for row in history:
        key = row["outputPartition"], row["outputKey"]
        if row["endedBy"]:
            if key in current:
                current.pop(key).ended = True
        else:
            if key not in current:
                current[key] = Life()
                found.append(current[key])
            current[key].snapshots.append(row)
    return found


def cents(rows: list[Row]) -> int:
    return sum(each for row in rows if (each := _cents(row)) is not None)


def uncounted(rows: list[Row]) -> int:
    return sum(_cents(row) is None for row in rows)


def _cents(row: Row) -> int | None:
    if abs(row["total"]) >= 1e13:
        return None
    return int((Decimal(repr(row["total"])) * 100).to_integral_value(ROUND_HALF_EVEN))


def happened(row: Row) -> int:
    return int(min(row["updated"], row["outputTimestamp"]))


def by_state(sessions: list[Row]) -> Answer:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sessions:
        groups[row["state"]].append(row)
    return sorted((name, len(rows), cents(rows), uncounted(rows)) for name, rows in groups.items())


def devices(sessions: list[Row]) -> Answer:
    named = (row["attributes"]["device"] for row in sessions if "device" in row["attributes"])
    return sorted(Counter(each.strip('"') for each in named).items())


def top_articles(sessions: list[Row]) -> Answer:
    pieces: Counter[str] = Counter()
    for row in sessions:
        for item in row["cartItems"] if row["state"] == "closed" else ():
            pieces[item["sku"]] += item["quantity"]
    return sorted(pieces.items(), key=lambda each: (-each[1], each[0]))[:10]


def funnel(history: list[Row]) -> Answer:
    left = lives(history)
    steps = [len(left)]
    for goes_on in (
        lambda life: life.ever("cartItems"),
        lambda life: life.ever("profileId"),
        lambda life: life.ever("state", "closed"),
        lambda life: not life.ever("state", "cancelled"),
    ):
        left = [*filter(goes_on, left)]
        steps.append(len(left))
    return [(*steps,)]


def revenue_a_day(history: list[Row]) -> Answer:
    days: defaultdict[str, dict[str, list[Row]]] = defaultdict(
        lambda: {"booked": [], "cancelled": [], "kept": []}
    )
    for life in lives(history):
        for before, row in life.transitions:
            day = days[datetime.fromtimestamp(happened(row) / 1000, UTC).date().isoformat()]
            if row["state"] == "closed":
                day["booked"].append(row)
                if life.last["state"] == "closed":
                    day["kept"].append(row)
            elif before == "closed":
                day["cancelled"].append(row)
    return sorted(
        (
            day,
            len(each["booked"]),
            *map(cents, each.values()),
            uncounted(each["booked"] + each["cancelled"]),
        )
        for day, each in days.items()
        if each["booked"] or each["cancelled"]
    )


def abandoned_carts(history: list[Row]) -> Answer:
    newest = max(row["outputTimestamp"] for row in history)
    groups: defaultdict[int, list[Row]] = defaultdict(list)
    for life in lives(history):
        stands = not life.ended and life.last["state"] == "open" and life.last["cartItems"]
        if stands and max(map(happened, life.snapshots)) < newest - DAY_MS:
            groups[life.last["applicationId"]].append(life.last)
    return sorted((name, len(rows), cents(rows)) for name, rows in groups.items())


def coupons(history: list[Row]) -> Answer:
    ever, closed = Counter[str](), Counter[str]()
    for life in lives(history):
        ever.update({row["coupon"] for row in life.snapshots})
        closed.update(row["coupon"] for _, row in life.transitions if row["state"] == "closed")
    return sorted((name, ever[name], closed[name]) for name in ever if name)


def first_sessions(sessions: list[Row]) -> Answer:
    earliest: dict[tuple[int, str], int] = {}
    for row in sessions:
        profile = row["applicationId"], row["profileId"]
        earliest[profile] = min(row["created"], earliest.get(profile, row["created"]))
    counts: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in sessions:
        count = counts[row["applicationId"]]
        if not row["profileId"]:
            count[0] += 1
        elif not row["firstSession"]:
            count[2] += 1
        else:
            count[1] += 1
            count[3] += row["created"] > earliest[row["applicationId"], row["profileId"]]
    return sorted((name, *count) for name, count in counts.items())
