"""The console, put together."""

from collections.abc import Callable
from typing import NamedTuple

from processor import __version__
from processor.console.app import Pages
from processor.console.data_pages import DataPages
from processor.console.members import Members, Told, ask
from processor.console.security import Guard, Guarded
from processor.console.source import Place, Source
from processor.console.status_pages import StatusPages
from processor.console.values import Masking
from processor.ports.clock import Clock


class Wishes(NamedTuple):
    """What the command line says of the console."""

    group: str
    guard: Guard
    masking: Masking = Masking()


def console(
    source: Source, wishes: Wishes, clock: Clock, asking: Callable[[Place], Told] = ask
) -> Guarded:
    """Return the application."""
    about = {"group": wishes.group, "version": __version__, "values": wishes.masking.show}
    pages = Pages(wishes.guard, about)
    StatusPages(Members(source.deployment, clock, asking)).add_to(pages)
    DataPages(source, wishes.masking, clock).add_to(pages)
    return pages.application()
