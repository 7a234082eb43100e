"""What each fault does to the world. `plan.py` says which there are, and when they happen."""

from collections.abc import Callable

from fakes.broker import Entry

from processor.ports.claims import ClaimsFenced, ClaimsNotReady, ClaimsPending
from processor.ports.log import Committed, ProducerLost, Topic
from processor.ports.sessions import CacheLost, CacheUnavailable
from processor.state.checkpoint import CommitMetadata
from simulation.check import CLUSTER
from simulation.plan import AT_A_CALL, WRONG_CLOCKS_S, Happens
from simulation.ports import REFUSED, UNANSWERED, Call, Happening, Side, SimulatedTask
from simulation.world import Process, World, quietly

Fault = Callable[[World, Process, Happens], None]
CallFault = Callable[[World, Process, Happens, Call], None]

_COORDINATOR = (
    *("coordination.committed", "coordination.fence"),
    *("publication.commit", "publication.abort", "publication.replace"),
)
_IN_THE_NEXT: tuple[tuple[str, Side], ...] = (
    *(("publication.send", "after"), ("publication.flush", "after")),
    ("publication.commit", "before"),
)


def arrange(world: World, happens: Happens) -> None:
    """Let a fault happen now, or at the call that it waits for. From the scheduler's hub."""
    process = _chosen(world, happens)
    if process is not None:
        arrange_for(world, process, happens)


def arrange_for(world: World, process: Process, happens: Happens) -> None:
    """Let a fault happen to a process."""
    if not happens.method:
        _tell(world, process, happens)
        ANYWHERE[happens.fault](world, process, happens)
        return

    def action(task: SimulatedTask, call: Call) -> None:
        assert isinstance(task, Process)
        _tell(world, task, happens)
        if happens.fault in AT_A_CALL:
            AT_CALLS[happens.fault](world, task, happens, call)
        else:
            ANYWHERE[happens.fault](world, task, happens)

    process.armed.append(Happening(happens.method, happens.side, action))


def _chosen(world: World, happens: Happens) -> Process | None:
    processes = world.processes
    return processes[happens.process % len(processes)] if processes else None


def _tell(world: World, process: Process, happens: Happens) -> None:
    world.happened += 1
    where = f" {happens.side} {happens.method}" if happens.method else ""
    world.tell(f"{happens.fault}, {process.name}{where}")


# Processes


def _kill(world: World, process: Process, happens: Happens) -> None:
    world.kill(process, restart_in=happens.seconds)


def _stop(world: World, process: Process, happens: Happens) -> None:
    world.stop(process, happens.seconds)


def _terminate(world: World, process: Process, happens: Happens) -> None:
    process.stopping.set()
    world.scheduler.after(happens.seconds, process.again)


def _join(world: World, _process: Process, _happens: Happens) -> None:
    if len(world.processes) < 4:
        world.start()


def _clock(_world: World, process: Process, happens: Happens) -> None:
    process.clock.wrong_by = WRONG_CLOCKS_S[happens.amount % len(WRONG_CLOCKS_S)]


# The brokers


def _session_timeout(_world: World, process: Process, _happens: Happens) -> None:
    process.broker.group.leave(process.subscription.member)


def _transaction_timeout(_world: World, process: Process, _happens: Happens) -> None:
    identity, broker = process.publication.identity(), process.broker
    if identity in broker.open:
        broker.time_out(identity, broker.open[identity])


def _fenced(_world: World, process: Process, _happens: Happens) -> None:
    if identity := process.publication.identity():
        process.broker.init(identity)


def _coordinator_away(world: World, _process: Process, happens: Happens) -> None:
    until = world.scheduler.now + min(happens.seconds, 12.0)
    world.away.update(dict.fromkeys(_COORDINATOR, until))


def _leader_away(world: World, _process: Process, happens: Happens) -> None:
    topics = [*Topic]
    topic = topics[happens.amount % len(topics)]
    place = topic, happens.amount // len(topics) % world.partitions
    world.broker.leaders_away.add(place)
    back = min(happens.seconds, 12.0)
    world.scheduler.after(back, lambda: world.broker.leaders_away.discard(place))


def _kafka_away(world: World, _process: Process, happens: Happens) -> None:
    world.broker.available = False
    world.scheduler.after(min(happens.seconds, 12.0), lambda: _back(world))


def _back(world: World) -> None:
    world.broker.available = True


def _retention(world: World, _process: Process, happens: Happens) -> None:
    """Let input that is processed expire, and dead letters whether they were read or not."""
    for partition, committed in sorted(world.broker.committed.items()):
        updates = world.broker.logs[Topic.UPDATES][partition]
        processed = min(committed.offset, len(updates.entries))  # it may have been created again
        updates.start = max(updates.start, processed - happens.amount % 3)
        letters = world.broker.logs[Topic.DEAD_LETTERS][partition]
        letters.start = world.broker.extent(Topic.DEAD_LETTERS, partition).stable_end


def _compaction(world: World, _process: Process, _happens: Happens) -> None:
    """Remove what a later record of the same key replaces; offsets stay as they are."""
    for topic in (Topic.SESSIONS, Topic.CLAIMS):
        for partition in range(world.partitions):
            end = world.broker.extent(topic, partition).stable_end
            entries = world.broker.logs[topic][partition].entries
            kept: set[bytes | None] = set()
            for offset in reversed(range(end)):
                record = entries[offset].record
                if record is None:
                    continue
                if not entries[offset].readable or record.key in kept:
                    entries[offset] = Entry(None, None)
                else:
                    kept.add(record.key)


# What no process may go on after. All are down while it happens, and start anew.


def _offset_gone(world: World, _process: Process, happens: Happens) -> None:
    partition = _with_history(world, happens)
    if partition is not None:
        del world.broker.committed[partition]
        world.proof("the offset of a partition is gone", "no committed offset")


def _offset_reset(world: World, _process: Process, happens: Happens) -> None:
    partition = _with_history(world, happens)
    if partition is not None:
        offset = happens.amount % (world.broker.committed[partition].offset + 1)
        world.broker.committed[partition] = Committed(offset, "")
        world.proof("an offset is reset, as Kafka's tool does", "not committed by this service")


def _offset_gone_back(world: World, _process: Process, happens: Happens) -> None:
    """Let a replica lead that was behind: what it has of the offsets was true once."""
    partition = _with_history(world, happens)
    if partition is not None:
        broker = world.broker
        start, last = broker.extent(Topic.UPDATES, partition).start, world.check.last_snapshot
        older = [
            each
            for each in broker.former[partition]
            if each.offset >= start and _output(each) <= last(partition)
        ]
        if older:
            broker.committed[partition] = older[happens.amount % len(older)]
            world.proof("an offset goes back to an earlier one", "later commits are gone")


def _output(committed: Committed) -> int:
    return CommitMetadata.decode(committed.metadata, CLUSTER).output


def _offsets_expired(world: World, _process: Process, happens: Happens) -> None:
    """Let all processes be down for longer than the broker keeps a group's offsets."""
    if _with_history(world, happens) is not None:
        for partition in list(world.broker.committed):
            if world.check.next_output(partition):
                del world.broker.committed[partition]
        world.proof("the group's offsets expire", "no committed offset")


def _created_again(world: World, _process: Process, happens: Happens) -> None:
    partition = _with_history(world, happens)
    if partition is None:
        return
    topic = [*Topic][happens.amount // 8 % len(Topic)]
    broker = world.broker
    broker.ids[topic] += "-again"
    for log in broker.logs[topic]:
        log.entries.clear()
        log.start = 0
    world.proof(f"topic {topic.value} is created again", "deleted and created again")


def _output_cut(world: World, _process: Process, happens: Happens) -> None:
    partition = _with_history(world, happens)
    if partition is not None:
        entries = world.broker.logs[Topic.SESSIONS][partition].entries
        del entries[world.check.next_output(partition) - 1 :]
        world.proof("the output's end is lost", "published snapshots are gone")


def _input_expired(world: World, _process: Process, happens: Happens) -> None:
    partition = _with_history(world, happens)
    if partition is not None:
        updates = world.broker.logs[Topic.UPDATES][partition]
        offset = world.broker.committed[partition].offset
        if offset < len(updates.entries):
            updates.start = offset + 1
            world.proof("input expires that was not processed", "that were not processed")


def _with_history(world: World, happens: Happens) -> int | None:
    """End all processes; return a partition with output, None where there is none."""
    broker = world.broker
    for process in world.processes:
        broker.group.leave(process.subscription.member)
        world.kill(process, restart_in=1.0)
    for identity in [*broker.open, *broker.ending]:
        broker.init(identity)
        broker.finish(identity)
    written = [each for each in sorted(broker.committed) if world.check.next_output(each)]
    return written[happens.amount % len(written)] if written else None


# Redis


def _flush(world: World, _process: Process, _happens: Happens) -> None:
    world.server.flush()


def _failover(world: World, _process: Process, happens: Happens) -> None:
    world.server.fail_over(happens.amount % 6)


def _redis_restart(world: World, _process: Process, _happens: Happens) -> None:
    world.server.restart()


def _full(world: World, _process: Process, happens: Happens) -> None:
    world.server.full = True
    world.scheduler.after(happens.seconds, lambda: _room(world))


def _room(world: World) -> None:
    world.server.full = False


def _redis_away(world: World, _process: Process, happens: Happens) -> None:
    server = world.server
    server.available = False
    world.scheduler.after(min(happens.seconds, 12.0), lambda: setattr(server, "available", True))


def _split(world: World, process: Process, happens: Happens) -> None:
    """Let another primary be there; the process stays with the former one for a while."""
    world.server = world.server.split()
    world.move_all(but=process)
    world.scheduler.after(happens.seconds, lambda: process.move_to(world.server))


def _key(world: World, _process: Process, happens: Happens) -> None:
    names = sorted(world.server.hashes)
    if names:
        world.server.delete(names[happens.amount % len(names)])


def _lease(world: World, _process: Process, _happens: Happens) -> None:
    world.server.expire_lease()


ANYWHERE: dict[str, Fault] = {
    "kill": _kill,
    "stop": _stop,
    "terminate": _terminate,
    "join": _join,
    "session timeout": _session_timeout,
    "transaction timeout": _transaction_timeout,
    "fenced": _fenced,
    "kafka away": _kafka_away,
    "coordinator away": _coordinator_away,
    "leader away": _leader_away,
    "retention": _retention,
    "compaction": _compaction,
    "clock": _clock,
    "offset gone": _offset_gone,
    "offset reset": _offset_reset,
    "offset gone back": _offset_gone_back,
    "offsets expired": _offsets_expired,
    "topic created again": _created_again,
    "output cut": _output_cut,
    "input expired": _input_expired,
    "redis flush": _flush,
    "redis failover": _failover,
    "redis restart": _redis_restart,
    "redis full": _full,
    "redis away": _redis_away,
    "redis split": _split,
    "redis key": _key,
    "lease expiry": _lease,
}


# Calls


def _unanswered(_world: World, _process: Process, _happens: Happens, call: Call) -> None:
    raise UNANSWERED[call.method](f"{call.method}: no answer (simulated)")


def _answer_lost(_world: World, _process: Process, _happens: Happens, call: Call) -> None:
    call.do()
    raise UNANSWERED[call.method](f"{call.method}: its answer was lost (simulated)")


def _refused(_world: World, _process: Process, _happens: Happens, call: Call) -> None:
    raise REFUSED[call.method](f"{call.method}: refused (simulated)")


def _done_later(world: World, _process: Process, happens: Happens, call: Call) -> None:
    errors = CacheUnavailable, CacheLost, ClaimsFenced, ClaimsNotReady, ClaimsPending

    def late() -> None:
        world.tell(f"{call.method} is done, late")
        quietly(call.do, *errors)

    world.scheduler.after(happens.seconds, late)
    raise UNANSWERED[call.method](f"{call.method}: no answer (simulated)")


def _commit_later(world: World, process: Process, happens: Happens, call: Call) -> None:
    """Let the offsets be with the coordinator, and the transaction's end on its way."""
    identity, broker = process.publication.identity(), process.broker
    transaction = process.publication.send_offsets(*call.args)
    epoch = broker.epochs[identity]

    def late() -> None:
        if broker.open.get(identity) is transaction and broker.epochs[identity] == epoch:
            world.tell(f"the commit of {process.name} under {identity} is done, late")
            broker.end(identity, commit=True)

    world.scheduler.after(happens.seconds, late)
    raise ProducerLost("the commit's answer did not come (simulated)")


def _commit_never_ends(_world: World, process: Process, _happens: Happens, call: Call) -> None:
    process.publication.send_offsets(*call.args)
    raise ProducerLost("the offsets were sent, the end was not (simulated)")


def _end_comes_late(world: World, process: Process, happens: Happens, call: Call) -> None:
    """Have the end be asked for twice, once more after the connection was lost.

    What was asked for first arrives in the next transaction of whoever has the id and the epoch.
    """
    publication, broker = process.publication, world.broker
    identity, commit = publication.identity(), call.method == "publication.commit"
    epoch = broker.epochs[identity]

    def late(_task: SimulatedTask, _call: Call) -> None:
        transaction = broker.open.get(identity)
        known = transaction is not None and bool(transaction.first or transaction.offsets)
        if known and broker.epochs[identity] == epoch:
            world.tell(f"an end of {process.name} under {identity} arrives late, {commit=}")
            broker.end(identity, commit=commit)

    method, side = _IN_THE_NEXT[happens.amount % len(_IN_THE_NEXT)]
    publication.disconnected = True
    try:
        call.do()
    finally:
        process.armed.append(Happening(method, side, late))
    call.answer(None)


def _nothing_read(world: World, process: Process, _happens: Happens, call: Call) -> None:
    world.scheduler.sleep(process, 0.1)
    call.answer([])


def _not_fenced(_world: World, _process: Process, _happens: Happens, call: Call) -> None:
    call.answer(False)


AT_CALLS: dict[str, CallFault] = {
    "unanswered": _unanswered,
    "answer lost": _answer_lost,
    "refused": _refused,
    "done later": _done_later,
    "commit later": _commit_later,
    "commit never ends": _commit_never_ends,
    "end comes late": _end_comes_late,
    "nothing read": _nothing_read,
    "not fenced yet": _not_fenced,
}
