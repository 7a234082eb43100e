"""The demo's own servers, topics, updates and process; all of it ends with the demo."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from rich.progress import Progress

from processor.config import Settings
from processor.config.settings import ENV_PREFIX, env_name
from processor.errors import LocalStackError
from processor.ports.log import LogUnavailable, Outgoing, Topic

if TYPE_CHECKING:
    from processor.kafka.clients import Cluster
    from processor.kafka.coordination import KafkaCoordination

PARTITIONS: Final = 4
_CHUNK: Final = 5_000
_MEAN_GAP_MS: Final = 45
_LOOK_EVERY_S: Final = 0.05
_GIVE_UP_S: Final = 120.0
_END_S: Final = 10.0
_SHARED: Final = ("bootstrap_servers", "redis_url", "group_id", "http_port")


class SendRate(NamedTuple):
    """How long the process took for the updates, from its first to its last commit."""

    updates: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Updates a second."""
        return self.updates / max(self.seconds, _LOOK_EVERY_S)


@contextmanager
def servers(directory: Path, tell: Callable[[str], None]) -> Iterator[Settings]:
    """Have a fresh Kafka and a fresh Valkey, on free ports, until the end, whatever ends it.

    What an earlier demo left in the directory, a server even, is removed first. Raises
    LocalStackError, also while another demo uses the directory.
    """
    from processor.local import stack

    with _alone(directory), _interruptible():
        _remove(directory)
        try:
            status = stack.up(directory, kafka_port=0, valkey_port=0, progress=tell)
            yield Settings(
                bootstrap_servers=status.bootstrap_servers,
                redis_url=status.redis_url,
                group_id="demo",
                http_port=0,
            )
        finally:
            # A second Ctrl-C must not leave a server behind.
            former = signal.signal(signal.SIGINT, signal.SIG_IGN)
            tell("stopping Kafka and Valkey")
            _remove(directory)
            signal.signal(signal.SIGINT, former)


def produce(
    cluster: "Cluster", count: int, seed: int, bar: Progress, header: bytes | None = None
) -> None:
    """Send the stream's updates, as if a shop had been open until now; none twice.

    `header` stands before each, in the place of single-object encoding's.
    """
    from processor.demo.encoding import reframed
    from processor.demo.traffic import updates
    from processor.kafka.senders import UpdateSender

    task = bar.add_task("producing updates", total=count)
    now = time.time_ns() // 1_000_000
    stream = (
        # A broker refuses a record from the future, which an update may well say that it is from.
        Outgoing(
            Topic.UPDATES,
            None,
            min(each.timestamp, now),
            each.key,
            reframed(each.value, header),
            each.headers,
        )
        for each in updates(count, seed=seed, start=now - count * _MEAN_GAP_MS)
    )
    with closing(UpdateSender(cluster, f"demo.{seed}", "murmur2_random")) as sender:
        done = min(sender.open(), count)
        bar.update(task, completed=done)
        left = islice(stream, done, None)
        while chunk := list(islice(left, _CHUNK)):
            sender.send(chunk, done, done + len(chunk))
            done += len(chunk)
            bar.update(task, completed=done)


def process(
    settings: Settings, cluster: "Cluster", log: Path, count: int, bar: Progress
) -> SendRate:
    """Run the service, as a process of its own, until it has come to the end of its input.

    Raises LocalStackError, with the end of its log, if it does not get there.
    """
    from processor.kafka.coordination import KafkaCoordination

    coordination = KafkaCoordination(cluster)
    # Offsets are a few more than updates: the markers of the producer's transactions take some.
    ends = [coordination.extent(Topic.UPDATES, each).stable_end for each in range(PARTITIONS)]
    task = bar.add_task("processing (offsets)", total=sum(ends))
    give_up = time.monotonic() + _GIVE_UP_S + count / 1_000
    began = moved = 0.0
    done = 0
    with serving(settings, log, "--until-end") as service:
        while service.poll() is None and time.monotonic() < give_up:
            offsets = [_committed(coordination, each) for each in range(PARTITIONS)]
            now = time.monotonic()
            if any(each is not None for each in offsets):
                began = began or now
            if sum(each or 0 for each in offsets) > done:
                done, moved = sum(each or 0 for each in offsets), now
            bar.update(task, completed=done)
            time.sleep(_LOOK_EVERY_S)
        if service.poll() != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise LocalStackError(f"the service did not get to the end; its log ends:\n{tail}")
    bar.update(task, completed=sum(ends))
    return SendRate(count, moved - began)


def _committed(coordination: "KafkaCoordination", partition: int) -> int | None:
    try:
        found = coordination.committed(partition, stable=False)
    except LogUnavailable:
        return None
    return None if found is None else found.offset


@contextmanager
def serving(settings: Settings, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have the service run; it does not outlive the block."""
    environment = {name: each for name, each in os.environ.items() if ENV_PREFIX not in name}
    for field in _SHARED:
        environment[env_name(field)] = str(getattr(settings, field))
    command = [sys.executable, "-m", "processor", "run", *options]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches the demo, which then ends the service in order.
        service = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield service
    finally:
        service.terminate()
        try:
            service.wait(_END_S)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let no other demo use the directory."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalStackError(
                f"a demo is running in {directory}", hint="wait for it, or name another --state-dir"
            ) from None
        yield


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGTERM end the demo as Ctrl-C does, so that it leaves nothing running."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _remove(directory: Path) -> None:
    """End what runs in the directory, then delete it. Nothing of a demo is kept."""
    from processor.local.kafka import LocalKafka
    from processor.local.valkey import LocalValkey

    for server in (LocalKafka(directory / "kafka", 0), LocalValkey(directory / "valkey", 0)):
        server.kill()
    shutil.rmtree(directory, ignore_errors=True)
