"""Throughput and cost: by default, with either codec, by batch size, and of two processes."""

import time
from importlib.util import find_spec

from bench.figures import WARM_UP, Advance, Figures, Size, steady
from bench.folding import PATIENCE_S, SAMPLE_S, filled, folded
from bench.service import Place, Sample, Service
from processor.avro.choice import MODULE

BATCHES = (250, 500, 1_000, 2_000, 4_000, 8_000)


def throughput(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold a topic that was filled before, up to its end; the first fifth is left out."""
    filled(place, size, advance)
    return steady(folded(place, size.updates, advance), size.updates * WARM_UP)


def codecs(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold the same updates with either codec; the compiled one where it is installed."""
    filled(place, size, advance)
    figures: Figures = {}
    for codec in ("compiled", "fastavro"):
        if codec == "compiled" and find_spec(MODULE) is None:
            figures["cpu_us_per_event.compiled"] = figures["events_per_second.compiled"] = None
            continue
        own = place.again(codec, codec=codec)
        found = steady(folded(own, size.updates, advance), size.updates * WARM_UP)
        figures |= of(found, codec)
    return figures


def batches(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold the same updates with batches of each size: more in a batch may never cost more."""
    filled(place, size, advance)
    figures: Figures = {}
    for batch in BATCHES:
        own = place.again(f"of-{batch}", max_batch=batch)
        found = steady(folded(own, size.updates, advance), size.updates * WARM_UP)
        figures |= of(found, f"batches_of_{batch}")
    return figures


def instances(place: Place, size: Size, advance: Advance) -> Figures:
    """Fold the same updates with one process, then with two: what a second core adds."""
    filled(place, size, advance)
    one = steady(folded(place.again("one"), size.updates, advance), size.updates * WARM_UP)
    two = _together(place.again("two"), size, advance)
    figures = of(one, "one") | of(two, "two")
    first, second = one["events_per_second"], two["events_per_second"]
    figures["gain_of_the_second"] = second / first if first and second else None
    return figures


def _together(place: Place, size: Size, advance: Advance) -> Figures:
    """Sum what two processes of one group do until everything is folded."""
    place.create_topics()
    samples: list[Sample] = []
    with Service(place) as first, Service(place) as second:
        deadline = time.monotonic() + PATIENCE_S
        while not samples or samples[-1].records < size.updates:
            first.check(deadline)
            second.check(deadline)
            both = [each for each in (first.sample(), second.sample()) if each is not None]
            if len(both) == 2:  # noqa: PLR2004
                before = samples[-1].records if samples else 0
                samples.append(
                    Sample(
                        time.monotonic(),
                        sum(each.records for each in both),
                        sum(each.cpu_seconds for each in both),
                        sum(each.rss_bytes for each in both),
                    )
                )
                advance("folding", int(samples[-1].records - before), size.updates)
            time.sleep(SAMPLE_S)
    return steady(samples, size.updates * WARM_UP)


def of(found: Figures, what: str) -> Figures:
    """Return the cost and the rate among these figures, named for what they were measured with."""
    return {f"{name}.{what}": found[name] for name in ("cpu_us_per_event", "events_per_second")}
