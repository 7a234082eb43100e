"""What a setting's text may be; each check returns the value or raises ValueError, for people."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from processor.config.durations import duration_ms
from processor.formats.names import AVRO_ALONE, FORMATS, joined
from processor.redis.address import parsed

NOT_ANNOUNCED: Final = "none"
"""Says that a process is not to be announced."""
_SECOND_MS: Final = 1_000
_LAST_PORT: Final = 65_535
_PROTOCOLS: Final = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"}
"""What librdkafka takes before an address, where security.protocol says the same."""
_SERVER: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::[0-9]{1,5})?")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def servers(value: str) -> str:
    """Refuse an address that is not HOST:PORT, or empty."""
    for part in value.split(","):
        address = part.strip()
        scheme, separator, rest = address.rpartition("://")
        if not rest:
            raise ValueError("a server's address is empty")
        if separator and scheme.lower() not in _PROTOCOLS:
            raise ValueError(f"write HOST:PORT without {scheme}://, as broker-1:9092")
        if not _SERVER.fullmatch(rest):
            raise ValueError(
                "a server's address is not HOST:PORT, as broker-1:9092; several have commas between"
            )
        port = rest.rpartition(":")[2]
        if port.isdecimal() and not 0 < int(port) <= _LAST_PORT:
            raise ValueError(f"a port is from 1 to {_LAST_PORT}")
    return value


def redis_url(value: str) -> str:
    """Refuse a URL that does not say where Redis is."""
    parsed(value)
    return value


def redis_prefix(value: str) -> str:
    """Refuse a prefix that cannot stand in the braces of a hash slot."""
    if not value or "{" in value or "}" in value:
        raise ValueError("it is empty or has braces, which mark the hash slot in a Redis key")
    return value


def topic(value: str) -> str:
    """Refuse a name that no topic may have."""
    if not _TOPIC.fullmatch(value) or value in {".", ".."}:
        raise ValueError("a topic's name has 1 to 249 letters, digits, '.', '_' and '-'")
    return value


def host(value: str) -> str:
    """Refuse what is neither an address nor a name."""
    try:
        ip_address(value)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
            raise ValueError("it is neither an address nor a host's name") from None
    return value


def registry(value: str | None) -> str | None:
    """Refuse what is no address of a web server, or several, and one with a password in it."""
    if value is None:
        return None
    addresses = [part.strip().rstrip("/") for part in value.split(",")]
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an address does not begin with http:// or https://")
        if parts.username or parts.password:
            raise ValueError(
                "it holds a user or a password: give PROCESSOR_SCHEMA_REGISTRY_USER and "
                "PROCESSOR_SCHEMA_REGISTRY_PASSWORD"
            )
    return ",".join(addresses)


def advertised(value: str | None) -> str | None:
    """Refuse what is neither `none` nor the address of a web server, of its root alone."""
    if value is None or value == NOT_ANNOUNCED:
        return value
    return web_server(value, f"it is neither http://HOST:PORT nor {NOT_ANNOUNCED}")


def web_server(value: str, otherwise: str = "it is not http://HOST:PORT") -> str:
    """Return the address of a web server, of its root alone; `otherwise` says what is none."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(otherwise)
    if parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("it has more than http://HOST:PORT; who asks adds /status")
    return value.rstrip("/")


def input_formats(value: object) -> object:
    """Return the formats that are named with commas between, or in a list, as one text.

    Refuses what is no format, and formats without Avro.
    """
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return value
    given = [part.strip().lower() for part in parts]
    unknown = [each for each in given if each not in FORMATS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no format; avro, json and cloudevents are")
    if AVRO_ALONE not in given:
        raise ValueError(
            f"avro is not among them, and commands are Avro: write {joined((AVRO_ALONE, *given))}"
        )
    return joined(given)


def duration(value: str | None) -> str | None:
    """Refuse what is no duration of a second or more."""
    if value is not None and duration_ms(value) < _SECOND_MS:
        raise ValueError("it is below a second")
    return value


def lower(value: object) -> object:
    """Return a text in lower case, anything else as it is."""
    return value.lower() if isinstance(value, str) else value
