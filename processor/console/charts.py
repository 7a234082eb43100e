"""Small charts as SVG, which need neither a script nor an inline style."""

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

_WIDTH: Final = 90
_HEIGHT: Final = 20
_TALLEST: Final = 90
_BAR: Final = 14


def spark(values: Sequence[int]) -> Markup:
    """Return a line of the latest values, told in words too; nothing for fewer than two."""
    if len(values) < 2:  # noqa: PLR2004  a line
        return Markup("")
    top = max(values) or 1
    step = _WIDTH / (len(values) - 1)
    points = " ".join(
        f"{at * step:.0f},{_HEIGHT - 1 - value / top * (_HEIGHT - 2):.0f}"
        for at, value in enumerate(values)
    )
    told = f"lag from {values[0]:,} to {values[-1]:,}, at most {max(values):,}"
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, _WIDTH, _HEIGHT, told, points)


def bars(counts: Mapping[str, int], told: str) -> Markup:
    """Return a bar for each name, in its order; a table beside it says the same in words."""
    if not counts:
        return Markup("")
    top = max(counts.values()) or 1
    width = len(counts) * _BAR
    parts = [
        Markup('<rect x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>').format(
            at * _BAR, _TALLEST - high, _BAR - 2, high, name, f"{count:,}"
        )
        for at, (name, count) in enumerate(counts.items())
        for high in [max(1, round(count / top * _TALLEST))]
    ]
    return Markup(
        '<svg class="bars" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        "{}</svg>"
    ).format(width, _TALLEST, width, _TALLEST, told, Markup("").join(parts))
