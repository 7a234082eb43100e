"""Structured logs on standard error: for people on a terminal, JSON lines anywhere else."""

import logging
import sys
from io import StringIO
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from processor.telemetry.visible import printable, printable_lines

Format = Literal["auto", "human", "json"]
Level = Literal["debug", "info", "warning", "error"]


def configure(log_format: Format, level: Level, stream: TextIO | None = None) -> None:
    """Send every log line of the process, the libraries' too, to the stream (standard error).

    May be called again; the last call holds. Times are UTC. A traceback tells no local variable:
    one of them could be a secret.
    """
    target = sys.stderr if stream is None else stream
    human = log_format == "human" or (log_format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_for_people(colors=target.isatty()) if human else _for_programs()),
            ],
        )
    )
    root = logging.getLogger()
    for former in root.handlers[:]:
        if isinstance(former.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _for_people(*, colors: bool) -> list[Processor]:
    return [
        _seen,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_traceback),
    ]


def _seen(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Leave nothing in a line that a terminal would obey, or that would end it."""
    return {
        name: printable(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _traceback(stream: TextIO, information: ExcInfo) -> None:
    told = StringIO()
    structlog.dev.plain_traceback(told, information)
    stream.write(printable_lines(told.getvalue()))


def _for_programs() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ]
