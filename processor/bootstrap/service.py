"""The service as a process: started, told to stop, ended."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import Final

import structlog

from processor import __version__
from processor.avro.choice import chosen, warn_of_cost
from processor.avro.schemas import load_schemas
from processor.bootstrap.adapters import Adapters, connect, readers_of
from processor.bootstrap.announcing import announce
from processor.bootstrap.codecs import Codecs, running_codecs
from processor.bootstrap.runs import Run, live_run, replay_run
from processor.bootstrap.wiring import Limits, wire
from processor.config import Settings
from processor.config.durations import duration_ms
from processor.core.session import State
from processor.dead_letters.limits import FloodLimits
from processor.errors import ProcessorError
from processor.partitions.takeover import Start
from processor.ports.clock import SYSTEM_CLOCK
from processor.ports.tracing import NO_TRACING, Tracing
from processor.replay.plan import Plan
from processor.replay.seed import LiveTopics
from processor.runtime.garbage import allocate_from_one_arena, collect_rarely
from processor.runtime.shutdown import stopped_by_signals
from processor.runtime.startup import Stopped, WaitForServers
from processor.runtime.until_end import frozen_ends
from processor.state.expiry import Keep
from processor.telemetry.health import Health
from processor.telemetry.http import open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer
from processor.telemetry.traces.setup import traces

_log: Final = structlog.get_logger(__name__)


class _Process:
    """What any run is made of before it connects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._schemas = load_schemas(settings.schemas_dir)
        self.codec = chosen(settings.codec, self._schemas)
        self.stopping = Event()
        self.health = Health()
        self.metrics = Metrics(self.codec.name)
        self.observer = Observer(self.health, self.metrics, SYSTEM_CLOCK)
        self.observer.status.process(
            version=__version__, codec=self.codec.name, group=settings.group_id
        )
        self.wait_for = WaitForServers(self.stopping, self.observer)

    def run(
        self,
        run_of: Callable[[Adapters, Codecs], Run],
        subject_topic: str,
        closing: ExitStack,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        """Run to the end. Raises Stopped where it is told to stop before it has begun."""
        allocate_from_one_arena()
        adapters = connect(
            self._settings,
            self._schemas,
            subject_topic,
            closing=closing,
            stopped=self.stopping.is_set,
            wait_for=self.wait_for,
            metrics=self.metrics,
        )._replace(tracing=tracing)
        codecs = running_codecs(
            self._schemas,
            self.codec.compiled,
            adapters.registry,
            adapters.own,
            adapters.clock,
            formats=self._settings.input_formats,
        )
        service = wire(
            adapters,
            codecs,
            limits_of(self._settings),
            run_of(adapters, codecs),
            stopping=self.stopping,
            observer=self.observer,
        )
        collect_rarely()
        service.runner.run()


def serve(settings: Settings, *, until_end: bool, start: Start, mixed_framing: bool = False) -> int:
    """Run the service until it is told to stop, or is at the end; return the exit code.

    SIGTERM and SIGINT end it within 10 seconds, whatever it waits for. With `mixed_framing` it goes
    on with an output that was framed in another way. Raises ProcessorError.
    """
    process = _Process(settings)
    health = process.health

    def run_of(adapters: Adapters, _codecs: Codecs) -> Run:
        log, ends = adapters.log, None
        if until_end:
            ends = process.wait_for(lambda: frozen_ends(log.coordination, log.stream.partitions))
        return live_run(adapters, start, ends, mixed_framing=mixed_framing)

    registry = process.metrics.registry
    with stopped_by_signals(process.stopping), ExitStack() as closing:
        endpoint = open_endpoint(
            settings.http_host, settings.http_port, registry, health, process.observer.status
        )
        closing.callback(endpoint.close)
        _log.info(
            "starting",
            version=__version__,
            codec=process.codec.name,
            why=process.codec.why,
            group=settings.group_id,
            http=f"http://{endpoint.host}:{endpoint.port}",
        )
        warn_of_cost(settings.codec, process.codec)
        announce(settings, endpoint.port, closing)
        tracing = closing.enter_context(
            traces(
                os.environ,
                process.metrics,
                SYSTEM_CLOCK,
                settings.updates_topic,
                settings.group_id,
            )
        )
        try:
            process.run(run_of, settings.sessions_topic, closing, tracing)
        except Stopped:
            pass
        except ProcessorError as error:
            health.hold("stopped", error.message)
            raise
        _log.info("stopping")
    return 0


def fold_again(own: Settings, live: Settings, plan: Plan, max_rate: float | None) -> bool:
    """Run the service as a replay; return whether it came to its end, and was not stopped before.

    `own` are the replay's settings. No endpoint is opened. Raises ProcessorError.
    """
    process = _Process(own)
    warn_of_cost(own.codec, process.codec)

    def run_of(adapters: Adapters, codecs: Codecs) -> Run:
        _, coordination, scan = readers_of(live)
        topics = LiveTopics(coordination, scan)
        return replay_run(adapters, plan, topics, codecs.values, max_rate)

    with stopped_by_signals(process.stopping), ExitStack() as closing:
        try:
            # What a replay publishes is to become the live output: it has that one's subject.
            process.run(run_of, live.sessions_topic, closing)
        except Stopped:
            return False
        return not process.stopping.is_set()


def limits_of(settings: Settings) -> Limits:
    """Return what the settings bound."""
    return Limits(
        max_batch=settings.max_batch,
        max_snapshot=settings.max_snapshot_bytes,
        cache=settings.cache_bytes,
        min_commit_interval=settings.min_commit_interval,
        flood=FloodLimits(
            settings.max_dead_letter_ratio,
            settings.dead_letter_window,
            settings.dead_letter_minimum,
            settings.max_consecutive_dead_letters,
        ),
        keep=_keep(settings),
    )


def _keep(settings: Settings) -> Keep:
    given: dict[State, str | None] = {
        "closed": settings.retain_closed,
        "cancelled": settings.retain_cancelled,
        "open": settings.retain_open,
    }
    return {state: duration_ms(text) for state, text in given.items() if text is not None}
