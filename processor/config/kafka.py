"""Which librdkafka properties a user may set, and which the processor must own."""

import json
import re
from collections.abc import Mapping
from typing import Final

Property = str | bool | int | float

_COMMITS: Final = "offsets are committed in the transaction that publishes, nowhere else"
_EXACTLY_ONCE: Final = "exactly-once publishing fixes it"
_LIMITS: Final = "it is set to match PROCESSOR_MAX_SNAPSHOT_BYTES and the topics' limits"

OWNED: Final[Mapping[str, str]] = {
    "bootstrap.servers": "give PROCESSOR_BOOTSTRAP_SERVERS instead",
    "metadata.broker.list": "give PROCESSOR_BOOTSTRAP_SERVERS instead",
    "group.id": "give PROCESSOR_GROUP_ID instead",
    "enable.auto.commit": _COMMITS,
    "auto.commit.enable": _COMMITS,
    "auto.commit.interval.ms": _COMMITS,
    "enable.auto.offset.store": _COMMITS,
    "auto.offset.reset": "an offset outside the log must stop the partition, not move it",
    "isolation.level": "what was not committed must never be read",
    "transactional.id": "each producer takes a fresh one, so that a former owner can be fenced",
    "enable.idempotence": _EXACTLY_ONCE,
    "acks": _EXACTLY_ONCE,
    "request.required.acks": _EXACTLY_ONCE,
    "enable.partition.eof": "ends are found by position; an end-of-partition event is no record",
    "partition.assignment.strategy": "assignments are taken incrementally (cooperative-sticky)",
    "partitioner": "all processes must send one profile's claims to one partition",
    "message.max.bytes": _LIMITS,
    "statistics.interval.ms": "nothing reads them, and clients keep them; see /metrics instead",
    "allow.auto.create.topics": "'topics create' makes them with the settings that they need",
}
"""Properties that the processor sets itself, and why."""

CLASSIC_ONLY: Final = (
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
)
"""Properties that must not be given with the group protocol `consumer` (KIP-848)."""


_SECRET = re.compile(
    r"password|passphrase|secret|credential|token|pem|private|jaas|user.?info|auth|kinit|assertion"
    r"|oauthbearer\.(config|extensions)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"://[^/@]*:.*@|password=|secret=|token=", re.IGNORECASE)


def may_hold_secret(name: str, value: object = "") -> bool:
    """Whether a property's value must not be shown: it may hold a secret, by its name or itself."""
    return _SECRET.search(name) is not None or _SECRET_VALUE.search(str(value)) is not None


def parsed(given: object) -> object:
    """Return the JSON object of a text, and anything else as it is.

    Raises ValueError; its message never holds the text, which may carry a secret.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not JSON (at character {error.pos + 1})") from None
        except RecursionError:
            raise ValueError("it is not JSON (it is nested too deep)") from None
    if isinstance(given, dict):
        for name, value in given.items():
            _require_plain(name, value)
    return given


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a name twice")
    return found


def _require_plain(name: str, value: object) -> None:
    """Refuse a value that is no text, number or truth; an object is a name without its quotes."""
    if isinstance(value, dict):
        while isinstance(value, dict) and value:
            inner, value = next(iter(value.items()))
            name = f"{name}.{inner}"
        raise ValueError(f'{name} is one name: write it in quotes, "{name}"')  # noqa: TRY004  a user's
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"{name} is neither a text nor a number nor true or false")  # noqa: TRY004


def allowed(properties: dict[str, Property]) -> dict[str, Property]:
    """Refuse properties that the processor sets itself, that contradict each other, or are none."""
    owned = [f"{name} ({OWNED[name]})" for name in properties if name in OWNED]
    if owned:
        raise ValueError("the processor sets this itself: " + "; ".join(owned))
    classic = [name for name in CLASSIC_ONLY if name in properties]
    if classic and properties.get("group.protocol") == "consumer":
        raise ValueError(f"{', '.join(classic)}: not to be given with group.protocol=consumer")
    if properties:
        from processor.config.librdkafka import refusal  # it takes a while to import
    for name, value in texts(properties).items():
        refused = refusal(name, value, secret=may_hold_secret(name, value))
        if refused:
            raise ValueError(refused)
    return properties


def texts(properties: Mapping[str, Property]) -> dict[str, str]:
    """Return the properties as librdkafka writes them."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in properties.items()
    }
