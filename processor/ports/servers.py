"""The servers that the service needs, and what is raised while one of them is away."""

from typing import ClassVar, Literal

Server = Literal["kafka", "redis", "registry"]


class ServerUnavailable(Exception):  # noqa: N818  a server's state
    """A server did not answer, or cannot serve now; the message says why. Try again later."""

    server: ClassVar[Server]
