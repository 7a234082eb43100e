"""A registry that speaks the Confluent API: `Registry` on confluent-kafka's client.

The client is imported when one is made: a service without a registry does not load it.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from processor.errors import ConfigError, Forbidden, IncompatibleSchema
from processor.ports.registry import (
    AVRO,
    Level,
    Reference,
    Registered,
    RegistryUnavailable,
    SchemaId,
    SchemaText,
)

TIMEOUT_S: Final = 2.0
"""How long one request may wait for a connection, or for the next bytes of an answer."""

_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({401, 403})
_PASSING: Final = frozenset({408, 425, 429})
_CLIENTS = range(400, 500)

Result = TypeVar("Result")


class Access(NamedTuple):
    """Where a registry is and who asks; the password is in clear: never log it."""

    url: str
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None


class ConfluentRegistry:
    """Asks once and does not retry: who waits for an answer decides how, and keeps polling."""

    def __init__(self, access: Access, timeout: float = TIMEOUT_S) -> None:
        """Connect to nothing yet. Raises ConfigError for what the client does not take."""
        from confluent_kafka.schema_registry import SchemaRegistryClient

        for library in ("httpx", "httpx2"):  # each request is a line else
            logging.getLogger(library).setLevel(logging.WARNING)
        conf: dict[str, Any] = {"url": access.url, "timeout": timeout, "max.retries": 0}
        if access.user is not None:
            conf["basic.auth.user.info"] = f"{access.user}:{access.password or ''}"
        if access.ca_file is not None:
            conf["ssl.ca.location"] = access.ca_file
        try:
            self._client = SchemaRegistryClient(conf)
        except (ValueError, TypeError, OSError) as error:
            raise ConfigError(
                f"the schema registry's client cannot be made: {error}",
                hint="Look at PROCESSOR_SCHEMA_REGISTRY_URL and PROCESSOR_SCHEMA_REGISTRY_CA_FILE.",
            ) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def schema(self, schema_id: SchemaId) -> SchemaText | None:
        """Return a schema."""
        ask = (
            partial(self._client.get_schema_by_guid, str(schema_id))
            if isinstance(schema_id, UUID)
            else partial(self._client.get_schema, schema_id)
        )
        try:
            found = self._asked(ask, f"schema {schema_id}")
        except IncompatibleSchema:
            return None  # the id is one that it would never give
        return None if found is None else _told(found)

    def versions(self, subject: str) -> list[Registered]:
        """Return a subject's versions, one request each."""
        numbers = self._asked(partial(self._client.get_versions, subject), subject) or []
        found = []
        for number in sorted(numbers):
            ask = partial(self._client.get_version, subject, number)
            version = self._asked(ask, f"version {number} of {subject}")
            if version is not None:  # deleted meanwhile
                found.append(Registered(version.schema_id or 0, number, *_told(version.schema)))
        return found

    def version(self, subject: str, number: int) -> SchemaText | None:
        """Return one version."""
        ask = partial(self._client.get_version, subject, number, deleted=True)
        try:
            found = self._asked(ask, f"version {number} of {subject}")
        except IncompatibleSchema:
            return None  # no number that a version could have
        return None if found is None else _told(found.schema)

    def level(self, subject: str) -> str:
        """Return the subject's compatibility level, the registry's own where it has none."""
        for of, what in ((subject, f"the configuration of {subject}"), (None, "the configuration")):
            config = self._asked(partial(self._client.get_config, of), what)
            if config is not None and config.compatibility_level:
                return str(config.compatibility_level).rpartition(".")[2]
        return "NONE"

    def hold_to(self, subject: str, level: Level) -> None:
        """Set the subject's level. Raises ConfigError where there is no such subject."""
        what = f"the level {level} for {subject}"
        ask = partial(self._client.set_compatibility, subject, level)
        if self._asked(ask, what) is None:
            raise ConfigError(
                f"the schema registry has no subject {subject!r} to set {level} for",
                hint="Run `session-processor schemas register` first.",
            )

    def takes(self, subject: str, text: str, kind: str = AVRO) -> bool:
        """Ask whether the schema is compatible with the subject's versions, by its level."""
        schema = self._schema(text, kind)
        taken = self._asked(partial(self._client.test_compatibility, subject, schema), subject)
        return taken is not False  # a subject that has no version takes anything

    def register(self, subject: str, text: str, kind: str = AVRO) -> int:
        """Register a schema. Raises IncompatibleSchema where the registry refuses it."""
        schema = self._schema(text, kind)
        number = self._asked(partial(self._client.register_schema, subject, schema), subject)
        if number is None:
            raise ConfigError(
                f"there is no registry at PROCESSOR_SCHEMA_REGISTRY_URL: it has no {subject!r} to "
                "register under",
                hint="The URL ends where /subjects begins, for Apicurio with /apis/ccompat/v7.",
            )
        return number

    @staticmethod
    def _schema(text: str, kind: str) -> Any:
        from confluent_kafka.schema_registry import Schema

        return Schema(text, kind)

    def _asked(self, ask: Callable[[], Result], what: str) -> Result | None:
        """Return the answer, None for a 404; sort everything else."""
        from confluent_kafka.schema_registry import SchemaRegistryError

        try:
            return ask()
        except SchemaRegistryError as error:
            status = error.http_status_code
            told = f"{what}: {str(error.error_message)[:500]} (HTTP {status})"
            if status == _NOT_FOUND:
                if (error.error_code or 0) <= 0:
                    self._require_registry(what)
                return None
            if status in _REFUSED:
                raise Forbidden(
                    f"the schema registry refuses {told}",
                    hint="Look at PROCESSOR_SCHEMA_REGISTRY_USER and _PASSWORD, and at what that "
                    "user may read.",
                ) from None
            if status in _CLIENTS and status not in _PASSING:
                raise IncompatibleSchema(
                    f"the schema registry does not take {told}",
                    hint="Run `session-processor schemas check`: it names what breaks.",
                ) from None
            raise RegistryUnavailable(f"asking for {told}") from None
        except Exception as error:  # noqa: BLE001  the client's HTTP library is not for us to name
            raise RegistryUnavailable(
                f"asking for {what}: {type(error).__name__}: {str(error)[:500]}"
            ) from None
        finally:
            # Its own cache has no bound, and remembers what an update's sender names.
            self._client.clear_caches()  # type: ignore[no-untyped-call]

    def _require_registry(self, what: str) -> None:
        """Raise RegistryUnavailable unless a registry answers: a proxy before it says 404 too."""
        try:
            self._client.get_schema_types()
        except Exception as error:  # noqa: BLE001
            raise RegistryUnavailable(
                f"asking for {what}: what answered with 404 is no registry: {str(error)[:500]}"
            ) from None


def _told(schema: Any) -> SchemaText:
    """Return what a registry told; it leaves the kind out of its answer where it is Avro."""
    references = (
        Reference(str(each.name), str(each.subject), int(each.version or 0))
        for each in schema.references or ()
    )
    kind = str(schema.schema_type or AVRO)
    return SchemaText(schema.schema_str or "", kind, tuple(references))
