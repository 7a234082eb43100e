"""The options of a Redis URL, and the values that each may have.

redis-py takes most values as they come, and stumbles over a wrong one whenever it next connects, in
words that sound like a server that is away. So all are looked at before.
"""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

Option = tuple[Callable[[str], bool], str]
"""What is a value of an option, and what that is called."""

LONGEST_TIMEOUT_S: Final = 10
"""A call may take several of them, and the process is taken for hung after a minute."""

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_BOOLEANS: Final = frozenset({"0", "f", "false", "n", "no", "1", "t", "true", "y", "yes"})


def is_database(value: str) -> bool:
    """Whether the text is the number of a database."""
    return value.isascii() and value.isdigit()


def _number(least: int, most: int = 2**31 - 1) -> Callable[[str], bool]:
    return lambda value: is_database(value) and least <= int(value) <= most


def _seconds(value: str) -> bool:
    try:
        number = float(value)
    except ValueError:
        return False
    return 0 < number <= LONGEST_TIMEOUT_S


def _name(value: str) -> bool:
    return bool(value) and all("!" <= character <= "~" for character in value)


_TIMEOUT: Final[Option] = (_seconds, f"seconds, above 0 and at most {LONGEST_TIMEOUT_S}")
_TRUTH: Final[Option] = (lambda value: value.lower() in _BOOLEANS, "true or false")
_TEXT: Final[Option] = (lambda _: True, "")

SENTINEL: Final = {"sentinel_username": "username", "sentinel_password": "password"}
"""Options that are the Sentinels' own, and their names of redis-py."""
TLS: Final[Mapping[str, Option]] = {
    **dict.fromkeys(_FILES, _TEXT),
    "ssl_password": _TEXT,
    "ssl_cert_reqs": (lambda value: value in {"none", "optional", "required"}, "required or none"),
    "ssl_check_hostname": _TRUTH,
    "ssl_min_version": (_number(0), "771 for TLS 1.2 or 772 for TLS 1.3"),
}
"""Options of TLS."""
ANY: Final[Mapping[str, Option]] = {
    "db": (is_database, "the number of a database"),
    "username": _TEXT,
    "password": _TEXT,
    "client_name": (_name, "ASCII without spaces"),
    "protocol": (lambda value: value in {"2", "3"}, "2 or 3"),
    "socket_timeout": _TIMEOUT,
    "socket_connect_timeout": _TIMEOUT,
    "socket_keepalive": _TRUTH,
    "socket_read_size": (_number(1, 2**24), "a number of bytes, 1 to 16777216"),
    "max_connections": (_number(1), "a number above 0"),
    "health_check_interval": (_number(0), "a number of seconds"),
}
"""Options of every connection."""


def check_values(options: Mapping[str, str]) -> None:
    """Raise ValueError for a value that an option cannot have; it names the option, no value."""
    for name, value in options.items():
        is_value, what = {**ANY, **TLS}.get(name, _TEXT)
        if not is_value(value):
            raise ValueError(f"its option {name} must be {what}")
        if name in _FILES and not Path(value).is_file():
            raise ValueError(f"its option {name} names no file: {value}")
    if TLS.keys() & options.keys():
        _check_tls(options)


def _check_tls(options: Mapping[str, str]) -> None:
    """Use the files and the version as a connection would."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if "ssl_ca_certs" in options:
        try:
            context.load_verify_locations(options["ssl_ca_certs"])
        except OSError as error:
            raise ValueError(f"its option ssl_ca_certs names no certificates: {error}") from None
    if "ssl_certfile" in options:
        try:
            context.load_cert_chain(
                options["ssl_certfile"],
                options.get("ssl_keyfile"),
                # Never none: OpenSSL would ask for it on the terminal.
                options.get("ssl_password", ""),
            )
        except OSError as error:
            raise ValueError(
                "its options ssl_certfile, ssl_keyfile and ssl_password are not those of one "
                f"certificate: {error}"
            ) from None
    elif "ssl_keyfile" in options:
        raise ValueError("its option ssl_keyfile needs ssl_certfile beside it")
    if "ssl_min_version" in options:
        try:
            context.minimum_version = ssl.TLSVersion(int(options["ssl_min_version"]))
        except ValueError:
            raise ValueError(
                f"its option ssl_min_version must be {TLS['ssl_min_version'][1]}"
            ) from None
