"""Which codec is in use, and why."""

from importlib import import_module
from typing import Final, Literal, NamedTuple, cast

import structlog

from processor.avro.compiled import RULES, Compiled, Export, Module
from processor.avro.schemas import Schemas
from processor.avro.shape import shape_of
from processor.errors import ConfigError

MODULE: Final = "session_processor_codec"
COST: Final = "about 10 times the CPU for each update"  # docs/performance.md, `codecs`
_INSTALL: Final = "Run `pip install 'session-processor[fast]'`"
_log: Final = structlog.get_logger(__name__)

Wanted = Literal["auto", "compiled", "fastavro"]


class Choice(NamedTuple):
    """The codec in use; without `compiled` it is fastavro alone. `why` is for people."""

    name: str
    why: str
    compiled: Compiled | None
    export: Export | None = None


def chosen(wanted: Wanted, schemas: Schemas) -> Choice:
    """Return the codec to use. Raises ConfigError where the compiled one is demanded and missing.

    The compiled layout is held to the fingerprints of both schemas: a changed schema is never read
    by a layout that it does not have.
    """
    if wanted == "fastavro":
        return Choice("fastavro", "PROCESSOR_CODEC says so", None)
    try:
        module = cast("Module", import_module(MODULE))
    except ImportError:
        why = "the compiled codec is not installed"
    else:
        updates, snapshots = schemas.updates.reader, schemas.snapshots.reader
        if getattr(module, "RULES", None) != RULES:
            why = "the compiled codec that is installed is of another version"
        elif updates.fingerprint == module.UPDATE and snapshots.fingerprint == module.SNAPSHOT:
            export = module.Export(shape_of(snapshots.text))
            return Choice(
                "compiled", "it is installed and fits the schemas", module.Codec(), export
            )
        else:
            why = "the compiled codec that is installed is for other schemas"
    if wanted == "compiled":
        raise ConfigError(
            f"PROCESSOR_CODEC is compiled, and {why}",
            hint=f"{_INSTALL}, or set PROCESSOR_CODEC=auto.",
        )
    return Choice("fastavro", why, None)


def warn_of_cost(wanted: Wanted, choice: Choice) -> None:
    """Log a warning where fastavro folds although nobody asked for it."""
    if wanted == "auto" and choice.compiled is None:
        _log.warning(
            "running without the compiled codec",
            why=choice.why,
            cost=COST,
            hint=f"{_INSTALL}, or accept the cost with PROCESSOR_CODEC=fastavro.",
        )
