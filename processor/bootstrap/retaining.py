"""What ends old sessions, wired."""

from processor.bootstrap.adapters import Adapters
from processor.bootstrap.codecs import Codecs
from processor.runtime.pipeline import Pipeline
from processor.runtime.retention import Retention
from processor.state.expiry import Keep
from processor.telemetry.observer import Observer


def retention_of(
    adapters: Adapters,
    codecs: Codecs,
    keep: Keep,
    *,
    pipeline: Pipeline,
    observer: Observer,
) -> Retention | None:
    """Return what ends sessions once they are as old as `keep` says; None where it says nothing."""
    if not keep:
        return None
    log = adapters.log
    return Retention(
        keep,
        pipeline=pipeline,
        subscription=log.subscription,
        coordination=log.coordination,
        scan=adapters.sweep,
        commands=adapters.commands,
        cache=adapters.cache,
        session_of=codecs.snapshots.read,
        partitions=log.stream.partitions,
        clock=adapters.clock,
        observer=observer,
    )
