"""Apache Kafka as one local process: broker and controller in one (KRaft)."""

import base64
import json
import logging
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.local.java import KAFKA_VERSION, java, kafka_classpath, logs_by_log4j2, run_java
from processor.local.ports import free_port
from processor.local.server import LocalServer, Progress, silent

LIGHT_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For tests and trials: little memory, and a third less CPU until it has begun to work.

Under load it stops for 23 ms each second.
"""

# A single broker cannot replicate; the rest keeps a development broker small and its groups prompt.
DEVELOPMENT_PROPERTIES = {
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",  # a broker that crashed waits so long for its own ghost
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.threads": "1",
    "num.io.threads": "4",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
}

_LOG4J = """\
status = error
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c{{1}}: %m%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
"""

_LOG4J_1 = """\
log4j.rootLogger = INFO, file
log4j.appender.file = org.apache.log4j.RollingFileAppender
log4j.appender.file.File = {log}
log4j.appender.file.MaxFileSize = 10MB
log4j.appender.file.MaxBackupIndex = 1
log4j.appender.file.layout = org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern = %d %p %c{{1}}: %m%n
"""
_LOG4J_1_OPTION = "log4j.configuration"
_LOG4J_2_OPTION = "log4j2.configurationFile"

_silence = logging.getLogger("processor.local.kafka.client")
_silence.addHandler(logging.NullHandler())
_silence.propagate = False


class LocalKafka(LocalServer):
    """A Kafka broker on 127.0.0.1.

    `properties` are added to the broker's own and win over those given here. A directory keeps
    the version that it was formatted with: a newer broker may read it, an older one may not.
    """

    name = "Kafka"
    listener: ClassVar[str] = "PLAINTEXT"
    node_id = 1

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        version: str = KAFKA_VERSION,
        properties: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = LIGHT_JVM,
        cluster_id: str = "",
    ) -> None:
        """Take the id of a cluster that is yet to be formatted; by default it is drawn."""
        super().__init__(data_dir, port)
        self._founded = cluster_id or new_id()
        self.version = version
        self.jvm_options = jvm_options
        self.properties = dict(properties or {})
        self._logs = self.data_dir / "data"
        self._cluster = self.data_dir / "cluster.json"
        self._config = self.data_dir / "server.properties"
        self._log4j = self.data_dir / "log4j.properties"

    @property
    def bootstrap_servers(self) -> str:
        """What a client's `bootstrap.servers` should say."""
        return f"127.0.0.1:{self.port}"

    def client(self) -> dict[str, str]:
        """Return the properties with which a client may do anything."""
        return {"bootstrap.servers": self.bootstrap_servers}

    def begin(self, progress: Progress = silent) -> None:
        """Start the process; see LocalServer."""
        if not self.running() and self.node_id == LocalKafka.node_id:  # the others find the same
            progress(f"finding Apache Kafka {self.version} (the first time downloads 45 MB)")
            kafka_classpath(self.version)
        super().begin(progress)

    def answers(self, timeout: float) -> bool:
        """Whether the broker tells in time that it is in this cluster, and of a controller."""
        client = AdminClient({**self.client(), "reconnect.backoff.max.ms": 200}, logger=_silence)
        try:
            metadata = client.list_topics(timeout=timeout)
        except KafkaException:
            return False
        ours = metadata.cluster_id == self._cluster_id()
        return ours and self.node_id in metadata.brokers and metadata.controller_id >= 0

    def _prepare(self) -> None:
        here = f"{self.listener}://{self.bootstrap_servers}"
        controller, quorum = self._quorum()
        settings = {
            "advertised.listeners": here,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{here},CONTROLLER://127.0.0.1:{controller}",
            "log.dirs": str(self._logs),
            "node.id": str(self.node_id),
            "process.roles": "broker,controller",
            **quorum,
            **DEVELOPMENT_PROPERTIES,
            **self.properties,
        }
        lines = [f"{name}={_escaped(value)}\n" for name, value in sorted(settings.items())]
        self._config.write_text("".join(lines))
        logs = _LOG4J if logs_by_log4j2(self.version) else _LOG4J_1
        self._log4j.write_text(logs.format(log=_escaped(str(self.log))))
        if not self._cluster_id():
            self._format()

    def _format(self) -> None:
        # The cluster's name is written last: a format that was cut short is made again.
        shutil.rmtree(self._logs, ignore_errors=True)
        run_java(
            "kafka.tools.StorageTool",
            [
                *("format", "-t", self._founded, "-c", str(self._config)),
                *self._founding(),
                *self._users(),
            ],
            classpath=kafka_classpath(self.version),
            timeout=self.start_timeout,
        )
        self._cluster.write_text(json.dumps({"cluster_id": self._founded}))

    def _quorum(self) -> tuple[int, Mapping[str, str]]:
        """Return the port of this node's controller, and the settings that name all controllers."""
        port = free_port(self.port)
        return port, {"controller.quorum.bootstrap.servers": f"127.0.0.1:{port}"}

    def _founding(self) -> Sequence[str]:
        """Return what an empty cluster is told of its controllers: this one is all there are."""
        return ("--standalone",)

    def _users(self) -> Sequence[str]:
        """Return what an empty cluster is told of users: nothing, since it asks for none."""
        return ()

    def _cluster_id(self) -> str:
        try:
            return str(json.loads(self._cluster.read_text())["cluster_id"])
        except (FileNotFoundError, ValueError, KeyError):
            return ""

    def _command(self) -> Sequence[str]:
        option = _LOG4J_2_OPTION if logs_by_log4j2(self.version) else _LOG4J_1_OPTION
        return [
            java(),
            *self.jvm_options,
            "-XX:+ExitOnOutOfMemoryError",
            "--enable-native-access=ALL-UNNAMED",
            f"-D{option}={self._log4j.as_uri()}",
            "-cp",
            kafka_classpath(self.version),
            "kafka.Kafka",
            str(self._config),
        ]


def new_id() -> str:
    """Return a random id in the form that Kafka gives it."""
    drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return f"A{drawn[1:]}" if drawn.startswith("-") else drawn  # "-" would begin an option


def _escaped(value: str) -> str:
    """Return the value as Java's properties format wants it."""
    return value.replace("\\", "\\\\")
