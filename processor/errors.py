"""Every error that a user can cause, and the code the process exits with.

0 is success, 1 a defect of this program or a comparison that found a difference, 2 a wrong command
line. A message says what was wrong and where; `hint` says what to do.
"""

from typing import ClassVar


class ProcessorError(Exception):
    """A condition that a user or an operator can mend; printed without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ProcessorError):
    """A setting is unknown, contradictory or out of range."""

    exit_code = 3


class TopicError(ProcessorError):
    """A topic is absent or has a setting under which something could be lost."""

    exit_code = 4


class FailClosed(ProcessorError):  # noqa: N818  it names the stance, not the fault
    """Going on could lose or repeat a snapshot, so an operator decides."""

    exit_code = 5


class Unavailable(ProcessorError):  # noqa: N818  a server's state
    """A server did not answer in time; raised by short commands only."""

    exit_code = 6


class Forbidden(ProcessorError):  # noqa: N818  a server's answer
    """A server refused the credentials or the operation."""

    exit_code = 7


class InputError(ProcessorError):
    """Some given lines or arguments were refused."""

    exit_code = 8


class NotFound(ProcessorError):  # noqa: N818  an answer
    """What was asked for does not exist."""

    exit_code = 9


class LocalStackError(ProcessorError):
    """The local stack could not be started or found."""

    exit_code = 10


class UnpublishableError(ProcessorError):
    """The broker refused one record for good; the message names the record."""

    exit_code = 11


class TooManyDeadLetters(ProcessorError):  # noqa: N818  what happened
    """A partition that passed a limit on dead letters keeps `--until-end` from its end."""

    exit_code = 12


class IncompatibleSchema(ProcessorError):  # noqa: N818  a finding
    """A schema and one that values were written with do not go together; says where."""

    exit_code = 13
