"""Apache Kafka as a cluster of three local processes, each of them broker and controller (KRaft).

Any one of the three may be killed, stopped or frozen: the other two are a majority of the
controllers, and two replicas of three are enough to write.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from processor.local.java import SMALL_JVM
from processor.local.kafka import LocalKafka, new_id
from processor.local.ports import free_port, is_free
from processor.local.server import Progress, choose_port, launch_all, silent, stop_all

BROKER_IDS: Final = (1, 2, 3)

REPLICATED_PROPERTIES: Final = {
    "default.replication.factor": "3",
    # With KIP-848 the broker decides when a dead member's partitions move: as the classic protocol.
    "group.consumer.heartbeat.interval.ms": "1500",
    "group.consumer.min.heartbeat.interval.ms": "1500",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    # A broker that came back leads its share of the partitions again after this long.
    "leader.imbalance.check.interval.seconds": "5",
    "log.cleaner.dedupe.buffer.size": "16777216",  # of the small heap; 128 MB are usual
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.replication.factor": "3",
}

_META: Final = "meta.properties"
_BOOTSTRAP: Final = "bootstrap.checkpoint"


class LocalBroker(LocalKafka):
    """One broker of a `LocalCluster`: killed, stopped, paused and brought back by itself.

    `controllers` are the ports of all controllers by node id, known when the broker is started.
    """

    # Where the other two are away already, one waits for a controller to let it go.
    stop_timeout: ClassVar[float] = 10

    def __init__(
        self,
        data_dir: Path,
        port: int,
        node_id: int,
        controllers: Mapping[int, int],
        cluster_id: str,
        *,
        properties: Mapping[str, str],
        jvm_options: Sequence[str],
    ) -> None:
        super().__init__(
            data_dir, port, properties=properties, jvm_options=jvm_options, cluster_id=cluster_id
        )
        self.node_id = node_id
        self.name = f"{self.name} {node_id}"
        self._controllers = controllers

    def _quorum(self) -> tuple[int, Mapping[str, str]]:
        voters = (f"{node}@127.0.0.1:{port}" for node, port in self._controllers.items())
        return self._controllers[self.node_id], {"controller.quorum.voters": ",".join(voters)}

    def _founding(self) -> Sequence[str]:
        return ()  # the configuration names all controllers

    def _format(self) -> None:
        # What the first broker was formatted with is true of all but for the ids of node and
        # directory; Kafka's own tool takes three seconds of each.
        first = self.data_dir.with_name(_directory(BROKER_IDS[0]))
        if first == self.data_dir or not (first / self._cluster.name).exists():
            super()._format()
            return
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir()
        ids = {"node.id": str(self.node_id), "directory.id": new_id()}
        lines = (first / self._logs.name / _META).read_text().splitlines()
        named = ((line.partition("=")[0], line) for line in lines)
        meta = [f"{name}={ids[name]}\n" if name in ids else f"{line}\n" for name, line in named]
        (self._logs / _META).write_text("".join(meta))
        shutil.copy(first / self._logs.name / _BOOTSTRAP, self._logs)
        shutil.copy(first / self._cluster.name, self._cluster)


class LocalCluster:
    """Three brokers on 127.0.0.1; topics have three replicas, of which two must be in sync.

    Their ports and the cluster's id are kept in the directory, so any program finds the brokers
    there. `properties` are added to those of each broker and win over those given here.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        properties: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = SMALL_JVM,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._record = self.data_dir / "brokers.json"
        kept = self._kept()
        cluster_id = kept.cluster_id or new_id()
        self._controllers = dict(zip(BROKER_IDS, kept.controllers, strict=True))
        self.brokers: Mapping[int, LocalBroker] = {
            node_id: LocalBroker(
                data_dir / _directory(node_id),
                port,
                node_id,
                self._controllers,
                cluster_id,
                properties={**REPLICATED_PROPERTIES, **(properties or {})},
                jvm_options=jvm_options,
            )
            for node_id, port in zip(BROKER_IDS, kept.ports, strict=True)
        }
        self._cluster_id = cluster_id

    @property
    def bootstrap_servers(self) -> str:
        """What a client's `bootstrap.servers` should say."""
        return ",".join(each.bootstrap_servers for each in self.brokers.values())

    def exists(self) -> bool:
        """Whether a cluster was ever started in the directory."""
        return self._record.exists()

    def launch(self, port: int = 0, progress: Progress = silent) -> None:
        """Start the brokers that do not run, side by side, and return when all answer.

        Raises LocalStackError where one does not; see `launch_all`.
        """
        self.choose_ports(port, progress)
        launch_all(list(self.brokers.values()), progress)

    def choose_ports(self, first: int = 0, progress: Progress = silent) -> None:
        """Give each broker that does not run a free port: its own, else `first` or one behind it.

        All know the ports of the controllers from their start: where one is taken, all are ended.
        """
        away = [each for each in self.brokers.values() if not each.running()]
        controllers = [self._controllers[each.node_id] for each in away]
        if not all(port and is_free(port) for port in controllers):
            self.stop()
            away = list(self.brokers.values())
            listeners = [each.port for each in self.brokers.values()]
            self._controllers.update((node_id, free_port(*listeners)) for node_id in BROKER_IDS)
        for broker in away:
            choose_port(broker, first and first + broker.node_id - 1, progress)
        ports = [each.port for each in self.brokers.values()]
        self.data_dir.mkdir(parents=True, exist_ok=True)
        kept = _Kept(self._cluster_id, ports, list(self._controllers.values()))
        self._record.write_text(json.dumps(kept._asdict()))

    def stop(self) -> None:
        """End all brokers in an orderly way, side by side; their data stays."""
        stop_all(list(self.brokers.values()))

    def kill(self) -> None:
        """End all brokers as a crash would."""
        for broker in self.brokers.values():
            broker.kill()

    def _kept(self) -> "_Kept":
        try:
            return _Kept(**json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return _Kept("", [0] * len(BROKER_IDS), [0] * len(BROKER_IDS))


class _Kept(NamedTuple):
    """What the directory remembers; ports in the order of the node ids, 0 is none yet."""

    cluster_id: str
    ports: list[int]
    controllers: list[int]


def _directory(node_id: int) -> str:
    return f"broker-{node_id}"
