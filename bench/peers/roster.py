"""Who is measured: how each peer is built, how it is started, and whether it can be here."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import confluent_kafka

from bench.service import Place
from processor.bootstrap.adapters import cluster_of
from processor.kafka.clients import group_member, transactional
from processor.local.ports import free_port

_HERE = Path(__file__).parent
_STREAMS = _HERE / "streams"
_PYTHON = _HERE / "python"
_VENV = _HERE / ".venv"
_JAR = _STREAMS / "target" / "peer.jar"
_FLOOR = _HERE / "floor" / "floor.c"
_FLOOR_PROGRAM = _FLOOR.parent / "target" / "floor"
_SNAPSHOT_BYTES = 330
"""What a snapshot of the benchmark has, about; the floor's values have as many."""


class NotHereError(Exception):
    """A peer cannot be built or run on this machine; the message says what is needed."""


@dataclass(frozen=True)
class Peer:
    """One way to do the job. `warm_up` is how many events pass before anything is counted.

    `folds` is false of what only moves records: it has no snapshots to be judged.
    """

    name: str
    title: str
    warm_up: int
    prepare: Callable[[], None]
    command: Callable[[Place], Sequence[str]]
    folds: bool = True

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return what the process is started with: settings are the session processor's alone."""
        return {**place.environment, "PROCESSOR_HTTP_PORT": str(free_port())}


def _nothing() -> None:
    """The session processor and the plain loop run in the checkout's own environment."""


def _build_streams() -> None:
    """Build the Java peer where its sources are newer. Raises NotHereError."""
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            raise NotHereError(f"no {tool}: a JDK, 17 or newer, and Maven are needed")
    sources = [_STREAMS / "pom.xml", *_STREAMS.glob("src/**/*.java")]
    if _JAR.exists() and _JAR.stat().st_mtime > max(each.stat().st_mtime for each in sources):
        return
    built = subprocess.run(
        ["mvn", "-q", "-B", "package"], cwd=_STREAMS, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise NotHereError(f"mvn package failed: {built.stdout[-500:]}")


def _build_floor() -> None:
    """Compile the floor against the library that confluent-kafka has. Raises NotHereError."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotHereError(
            "no cc: a C compiler and librdkafka's headers (librdkafka-dev) are needed"
        )
    package = Path(confluent_kafka.__file__).parent
    bundled = sorted(package.with_name("confluent_kafka.libs").glob("librdkafka-*.so*"))
    library = [str(bundled[0]), f"-Wl,-rpath,{bundled[0].parent}"] if bundled else ["-lrdkafka"]
    _FLOOR_PROGRAM.parent.mkdir(exist_ok=True)
    built = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", str(_FLOOR_PROGRAM), str(_FLOOR), *library],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise NotHereError(f"no librdkafka-dev? cc failed: {built.stderr[-500:]}")


def _install_quix() -> None:
    """Install Quix Streams beside the peers; it pins an older confluent-kafka than ours."""
    wanted = (_PYTHON / "requirements.txt").read_text()
    stamp = _VENV / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    venv.create(_VENV, with_pip=True)
    pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement"]
    installed = subprocess.run(
        [*pip, str(_PYTHON / "requirements.txt")], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        raise NotHereError(f"pip could not install Quix Streams: {installed.stderr[-500:]}")
    stamp.write_text(wanted)


def _processor(_place: Place) -> Sequence[str]:
    return [sys.executable, "-m", "processor", "run"]


def _floor(place: Place) -> Sequence[str]:
    """Return the floor with the processor's own properties, and its largest batch."""
    settings = place.settings
    cluster = cluster_of(settings)
    reader = {**group_member(cluster), "auto.offset.reset": "earliest"}
    writer = transactional(cluster, f"{settings.group_id}-floor")
    sizes = [str(settings.max_batch), str(_SNAPSHOT_BYTES)]
    topics = [settings.updates_topic, settings.sessions_topic]
    return [str(_FLOOR_PROGRAM), *topics, *sizes, *_given(reader), "--", *_given(writer)]


def _given(properties: Mapping[str, object]) -> Sequence[str]:
    """Return the properties as a command takes them, callbacks left out."""
    return [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in properties.items()
        if not callable(value)
    ]


def _streams(how: str, place: Place) -> Sequence[str]:
    jars = os.pathsep.join([str(_JAR), str(_STREAMS / "target" / "dependency" / "*")])
    return ["java", "-cp", jars, "peer.Main", *_names(place), _state(place), how]


def _quix(place: Place) -> Sequence[str]:
    python, program = str(_VENV / "bin" / "python"), str(_PYTHON / "quix.py")
    return [python, program, *_names(place), _state(place), str(place.partitions)]


def _plain(place: Place) -> Sequence[str]:
    return [sys.executable, str(_PYTHON / "plain.py"), *_names(place), place.redis_url]


def _names(place: Place) -> Sequence[str]:
    settings = place.settings
    topics = [settings.updates_topic, settings.sessions_topic, settings.dead_letters_topic]
    return [place.bootstrap, settings.group_id, *topics]


def _state(place: Place) -> str:
    return str(place.directory / f"{place.name}-state")


PEERS = (
    Peer("processor", "Session processor", 100_000, _nothing, _processor),
    Peer("floor", "Floor", 100_000, _build_floor, _floor, folds=False),
    Peer(
        "streams",
        "Kafka Streams 4.3.1",
        300_000,
        _build_streams,
        partial(_streams, "documented"),
    ),
    Peer(
        "streams-tuned",
        "Kafka Streams, tuned",
        300_000,
        _build_streams,
        partial(_streams, "tuned"),
    ),
    Peer("quix", "Quix Streams 3.28.1", 20_000, _install_quix, _quix),
    Peer("plain", "Plain loop", 5_000, _nothing, _plain),
)
