"""The direction of imports: the domain knows nobody, and each server's client has one home."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import processor

ROOT = Path(processor.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
PURE = {
    "collections",
    "enum",
    "hashlib",
    "json",
    "math",
    "re",
    "typing",
    "typing_extensions",
}
# The settings ask librdkafka which properties it knows; a registry's client is a part of Kafka's;
# the local stack asks the servers that it starts whether they are up; the reader stands alone, for
# others to take; the demo's producer writes also what no codec of ours would.
HOMES = {
    "confluent_kafka": (
        "processor.config.librdkafka",
        "processor.kafka",
        "processor.registry",
        "processor.local",
    ),
    "redis": ("processor.redis", "processor.local", "processor.reader"),
    "fastavro": ("processor.avro", "processor.reader", "processor.demo"),
    "typer": ("processor.cli",),
    "starlette": ("processor.console",),
    "jinja2": ("processor.console",),
    "uvicorn": ("processor.console",),
    "opentelemetry": ("processor.telemetry.traces",),
}
CLOCKED = (
    *("runtime", "partitions", "stages", "state", "bootstrap"),
    *("dead_letters", "erasure", "offsets", "registry", "replay", "telemetry"),
)
"""The folders of what runs in a simulation too: each clock there is a parameter."""


def imports(source: str, module: str, *, package: bool) -> Iterator[str]:
    """Yield each module that the source imports, wherever the statement stands.

    For `from a import b` both `a` and `a.b`, since b may be a module.
    """
    parents = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


IMPORTS = {
    module: set(imports(path.read_text("utf-8"), module, package=path.name == "__init__.py"))
    for module, path in MODULES.items()
}


def of(*packages: str) -> list[str]:
    return [module for module in MODULES if within(module, *packages)]


# Where Kafka's own errors are caught: where they are sorted, where the transactional producer meets
# them, and where an assigned partition's end is asked for and any answer will do.
CATCH_KAFKA = {"faults", "producer", "member"}


@pytest.mark.parametrize(
    "module", [name for name in MODULES if name.startswith("processor.kafka.")]
)
def test_kafkas_errors_are_caught_where_they_are_sorted(module: str) -> None:
    caught = {
        name.id
        for handler in ast.walk(ast.parse(MODULES[module].read_text("utf-8")))
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        for name in ast.walk(handler.type)
        if isinstance(name, ast.Name)
    }
    assert ("KafkaException" in caught) == (module.rpartition(".")[2] in CATCH_KAFKA)


def test_relative_and_nested_imports_are_seen() -> None:
    source = (
        "from . import fold\ndef f():\n    from ..kafka.log import Log\n    import redis.client"
    )
    assert set(imports(source, "processor.stages.load", package=False)) == {
        "processor.stages",
        "processor.stages.fold",
        "processor.kafka.log",
        "processor.kafka.log.Log",
        "redis.client",
    }


def test_the_modules_of_the_compiled_codec_import_each_other_in_no_circle() -> None:
    sources = (ROOT.parent / "codec" / "src").glob("*.rs")
    uses = {
        path.stem: set(re.findall(r"^use crate::(\w+)", path.read_text(), re.MULTILINE))
        for path in sources
    }
    order = TopologicalSorter(uses)
    order.prepare()  # raises where there is one
    assert {"layout", "update", "snapshot"} <= uses.keys()


@pytest.mark.parametrize("module", of("processor.core"))
def test_the_core_imports_itself_and_what_is_pure(module: str) -> None:
    allowed = {*PURE, "processor.core"}
    assert [name for name in IMPORTS[module] if not within(name, *allowed)] == []


@pytest.mark.parametrize("module", of("processor.ports"))
def test_the_ports_import_the_core_and_errors_at_most(module: str) -> None:
    allowed = {"processor.ports", "processor.core", "processor.errors"}
    foreign = {name for name in IMPORTS[module] if not within(name, *allowed)}
    assert {name for name in foreign if name.split(".")[0] not in sys.stdlib_module_names} == set()


@pytest.mark.parametrize("module", of("processor.stages"))
def test_a_stage_imports_no_other_stage(module: str) -> None:
    others = [name for name in IMPORTS[module] if within(name, "processor.stages")]
    allowed = (module, "processor.stages.batch")  # what travels between them
    assert [n for n in others if n != "processor.stages" and not within(n, *allowed)] == []


@pytest.mark.parametrize("module", of("processor.stages"))
def test_a_stage_imports_no_implementation_of_a_port(module: str) -> None:
    packages = ("kafka", "redis", "registry", "cli", "bootstrap", "runtime")
    implementations = [f"processor.{each}" for each in packages]
    assert [name for name in IMPORTS[module] if within(name, *implementations)] == []


@pytest.mark.parametrize("module", of(*(f"processor.{each}" for each in CLOCKED)))
def test_the_service_knows_the_time_and_chance_by_its_parameters_alone(module: str) -> None:
    hidden = ("time", "random", "secrets", "uuid.uuid4")
    assert [name for name in IMPORTS[module] if within(name, *hidden)] == []


def test_kafka_and_redis_meet_in_bootstrap_only() -> None:
    both = [
        module
        for module, names in IMPORTS.items()
        if all(
            within(module, package) or any(within(name, package) for name in names)
            for package in ("processor.kafka", "processor.redis")
        )
    ]
    assert both
    assert [module for module in both if not within(module, "processor.bootstrap")] == []


@pytest.mark.parametrize("module", ["processor.bootstrap.wiring", "processor.bootstrap.runs"])
def test_the_wiring_knows_neither_settings_nor_servers(module: str) -> None:
    packages = ("processor.config", "processor.kafka", "processor.redis")
    assert [name for name in IMPORTS[module] if within(name, *packages)] == []


def test_the_folders_import_each_other_in_no_circle() -> None:
    uses = defaultdict[str, set[str]](set)
    for module, names in IMPORTS.items():
        if module != "processor":  # its version is everybody's
            own = module.split(".")[1]
            found = {
                name.split(".")[1] for name in names if within(name, "processor") and "." in name
            }
            uses[own] |= {name for name in found if f"processor.{name}" in MODULES} - {own}
    order = TopologicalSorter(uses)
    order.prepare()  # raises where there is one
    assert {"core", "ports", "stages", "bootstrap"} <= uses.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_client_library_is_imported_in_its_home_only(module: str) -> None:
    for library, homes in HOMES.items():
        if not within(module, *homes):
            assert [name for name in IMPORTS[module] if within(name, library)] == [], library
