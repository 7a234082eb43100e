"""A session as people read it: a page, or one line."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from processor.cli.common.output import fields_table
from processor.ports.instants import iso_time
from processor.telemetry.visible import printable

_STYLES: Mapping[str, str] = {"open": "green", "closed": "blue", "cancelled": "red"}
_PLACED: Final = {
    *("integrationId", "created", "applicationId", "profileId", "state", "cartItems", "total"),
    *("attributes", "firstSession", "discounts", "previousState", "version", "updated"),
    *("lastEventId", "inputOffset", "eventMemory"),
}
"""The fields that a page has in a place of their own; any other is told as it is, if not empty."""


def page(fields: Mapping[str, Any]) -> RenderableType:
    """Return all that a session says, its cart as a table."""
    table = fields_table(_rows(fields))
    cart = fields["cartItems"]
    return Group(table, _cart(cart)) if cart else table


def line(fields: Mapping[str, Any]) -> Text:
    """Return a snapshot in one line: when, which, version, state, what it holds."""
    text = Text(iso_time(fields["updated"]), style="dim", end="")
    key = printable(f"{fields['applicationId']}:{fields['integrationId']}")
    text.append(f"  {key}", style="bold")
    text.append(f"  v{fields['version']}  ", style="")
    text.append_text(state(fields))
    text.append(f"  {len(fields['cartItems'])} items, total {fields['total']:.15g}")
    if fields["profileId"]:
        first = ", its first session" if fields["firstSession"] else ""
        text.append(f"  {printable(fields['profileId'])}{first}", style="cyan")
    return text


def state(fields: Mapping[str, Any]) -> Text:
    """Return the state, with the one before it where it changed."""
    now, before = fields["state"], fields["previousState"]
    text = Text(now, style=_STYLES.get(now, ""))
    return text if before in {None, now} else Text.assemble(f"{before} → ", text)


def separate(where: str) -> str:
    """Return what is to be said of a key that several partitions have."""
    return (
        f"{where}: its updates came over several, so these are separate sessions; "
        "`session-processor topics check` tells partitioners"
    )


def _rows(fields: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    yield "session", printable(f"{fields['applicationId']}:{fields['integrationId']}")
    yield "state", state(fields)
    yield "version", f"{fields['version']:,}"
    yield "created", iso_time(fields["created"])
    yield "updated", iso_time(fields["updated"])
    profile = printable(fields["profileId"]) or "anonymous"
    yield "profile", profile + (", its first session" if fields["firstSession"] else "")
    for name, value in fields.items():
        if value and name not in _PLACED:
            text = ", ".join(value) if isinstance(value, list) else str(value)
            yield _words(name), printable(text)
    yield "total", f"{fields['total']:,.15g}"
    for name, amount in fields["discounts"].items():
        yield "discount", f"{printable(name)}: {amount:,.15g}"
    for name, text in fields["attributes"].items():
        yield "attribute", f"{printable(name)}: {printable(text)}"
    yield "last event", printable(fields["lastEventId"])
    yield "input offset", f"{fields['inputOffset']:,}"


def _words(name: str) -> str:
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name)


def _cart(items: list[Mapping[str, Any]]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("cart", overflow="fold")
    table.add_column("sku", overflow="fold")
    table.add_column("quantity", justify="right")
    table.add_column("price", justify="right")
    for item in items:
        table.add_row(
            printable(item["name"]),
            printable(item["sku"]),
            f"{item['quantity']:,}",
            f"{item['price']:,.15g}",
        )
    return table
