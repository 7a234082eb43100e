"""The service as a process: started, told to stop, ended."""

from contextlib import ExitStack
from threading import Event
from typing import Final

import structlog

from processor import __version__
from processor.avro.choice import chosen, warn_of_cost
from processor.avro.schemas import load_schemas
from processor.bootstrap.wiring import Replaying, assemble
from processor.config import Settings
from processor.errors import ProcessorError
from processor.partitions.takeover import Start
from processor.runtime.shutdown import stopped_by_signals
from processor.runtime.startup import Stopped
from processor.telemetry.health import Health
from processor.telemetry.http import open_endpoint
from processor.telemetry.metrics import Metrics
from processor.telemetry.observer import Observer

_log: Final = structlog.get_logger(__name__)


def serve(settings: Settings, *, until_end: bool, start: Start, mixed_framing: bool = False) -> int:
    """Run the service until it is told to stop, or is at the end; return the exit code.

    SIGTERM and SIGINT end it within 10 seconds, whatever it waits for. With `mixed_framing` it goes
    on with an output that was framed in another way. Raises ProcessorError.
    """
    stopping = Event()
    health = Health()
    schemas = load_schemas(settings.schemas_dir)
    codec = chosen(settings.codec, schemas)
    metrics = Metrics(codec.name)
    observer = Observer(health, metrics)
    with (
        stopped_by_signals(stopping),
        open_endpoint(settings.http_host, settings.http_port, metrics.registry, health) as endpoint,
        ExitStack() as closing,
    ):
        _log.info(
            "starting",
            version=__version__,
            codec=codec.name,
            why=codec.why,
            group=settings.group_id,
            http=f"http://{endpoint.host}:{endpoint.port}",
        )
        warn_of_cost(settings.codec, codec)
        try:
            assemble(
                settings,
                stopping,
                observer,
                metrics,
                closing,
                schemas=schemas,
                compiled=codec.compiled,
                until_end=until_end,
                start=start,
                mixed_framing=mixed_framing,
            ).run()
        except Stopped:
            pass
        except ProcessorError as error:
            health.hold("stopped", error.message)
            raise
        _log.info("stopping")
    return 0


def fold_again(own: Settings, replaying: Replaying) -> bool:
    """Run the service as a replay; return whether it came to its end, and was not stopped before.

    `own` are the replay's settings. No endpoint is opened. Raises ProcessorError.
    """
    stopping = Event()
    schemas = load_schemas(own.schemas_dir)
    codec = chosen(own.codec, schemas)
    warn_of_cost(own.codec, codec)
    metrics = Metrics(codec.name)
    with stopped_by_signals(stopping), ExitStack() as closing:
        try:
            assemble(
                own,
                stopping,
                Observer(Health(), metrics),
                metrics,
                closing,
                schemas=schemas,
                compiled=codec.compiled,
                until_end=True,
                start="earliest",
                replaying=replaying,
            ).run()
        except Stopped:
            return False
        return not stopping.is_set()
