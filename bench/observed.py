"""What it costs to be observed: by an open page of the console, and by traces. Runs take turns."""

import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import count
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from bench.figures import WARM_UP, Advance, Figures, Size, steady
from bench.folding import filled, folded, put
from bench.lean import lean_updates
from bench.program import Program
from bench.service import Place
from bench.waiting import wait
from processor.demo.traffic import DemoUpdate
from processor.local.ports import free_port

TURNS: Final = 10
ONE_SAMPLED_IN: Final = 1_000
PAGE_EVERY_S: Final = 1.0
"""However many pages are open, the console asks a process no more often."""
_START_S: Final = 60.0
_ROW: Final = re.compile(rb'<a href="/partitions/\d+">')


class _Way(NamedTuple):
    """A way to be observed, and the one whose cost it is compared with."""

    place: Place
    beside: str
    during: Callable[[Place], AbstractContextManager[None]] = lambda _place: nullcontext()


def observed(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold the same updates unobserved and observed, ten times each in turns.

    A figure is the median of ten; one that ends in `_more` is that of the differences within a
    turn, with its quartiles.
    """
    filled(place, size, advance)
    traced = replace(place, name=f"{place.name}-traced")
    put(traced, _with_contexts(size), size.updates, advance)
    costs: dict[str, list[float]] = {}
    with _collector() as traces:
        ways = _ways(place, traced, traces)
        for turn in range(TURNS):
            for name in sorted(ways, reverse=bool(turn % 2)):
                way = ways[name]
                own = way.place.again(f"{name}-{turn}")
                with way.during(own):
                    found = steady(folded(own, size.updates, advance), size.updates * WARM_UP)
                cost = found["cpu_us_per_event"]
                if cost is None:
                    raise RuntimeError("it is folded before it can be measured: more --updates")
                costs.setdefault(name, []).append(cost)
    return _figures(costs, ways)


def _ways(place: Place, traced: Place, traces: Mapping[str, str]) -> dict[str, _Way]:
    """Return what can be had here: the pages and the traces are extras."""
    ways = {"unobserved": _Way(place, ""), "contexts": _Way(traced, "unobserved")}
    if find_spec("starlette") is not None:
        ways["page"] = _Way(place, "unobserved", _page)
    if find_spec("opentelemetry") is not None:
        ways["sampled"] = _Way(replace(traced, settings_given=traces), "contexts")
    return ways


def _figures(costs: Mapping[str, list[float]], ways: Mapping[str, _Way]) -> Figures:
    figures: Figures = {}
    for name, found in costs.items():
        figures[f"cpu_us_per_event.{name}"] = median(found)
        if beside := ways[name].beside:
            more = [mine - theirs for mine, theirs in zip(found, costs[beside], strict=True)]
            low, middle, high = quantiles(more, n=4)
            figures[f"cpu_us_per_event.{name}_more"] = middle
            figures[f"cpu_us_per_event.{name}_more.lower_quartile"] = low
            figures[f"cpu_us_per_event.{name}_more.upper_quartile"] = high
    return figures


def _with_contexts(size: Size) -> Iterator[DemoUpdate]:
    now = time.time_ns() // 1_000_000
    for number, update in zip(count(1), lean_updates(size.updates, seed=size.seed, start=now)):
        flags = int(number % ONE_SAMPLED_IN == 0)
        context = f"00-{number:032x}-{number:016x}-{flags:02x}".encode()
        yield update._replace(headers=(("traceparent", context),))


@contextmanager
def _page(place: Place) -> Iterator[None]:
    """Have the page of the partitions loaded again and again while inside.

    Raises RuntimeError where it never showed one, or could not be loaded.
    """
    port = free_port()
    words = [sys.executable, "-m", "processor", "console", "--port", str(port)]
    log = place.directory / f"{place.name}-console.log"
    stopping, seen, failed = Event(), [0], list[OSError]()

    def load() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/partitions", timeout=10) as page:
            return len(_ROW.findall(page.read()))

    def answers() -> bool:
        with suppress(urllib.error.URLError):
            load()
            return True
        return False

    def loading() -> None:
        while not failed and not stopping.wait(PAGE_EVERY_S):
            try:
                seen[0] += load()
            except OSError as error:
                failed.append(error)

    with Program("the console", words, place.environment, log) as running:
        if not wait(answers, _START_S, running.check, every=0.1):
            raise running.failed("does not answer")
        thread = Thread(target=loading)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
    if failed or not seen[0]:
        raise RuntimeError(f"the console showed no partition: {failed}")


@contextmanager
def _collector() -> Iterator[Mapping[str, str]]:
    """Yield the variables by which spans are sent to where they are read and forgotten."""

    class _Forget(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), _Forget) as server:
        serving = Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
        finally:
            server.shutdown()
            serving.join()
