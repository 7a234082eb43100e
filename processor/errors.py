"""Every error that a user can cause, and the code the process exits with.

0 is success, 1 a defect of this program or a comparison that found a difference, 2 a wrong command
line. A message says what was wrong and where; `hint` says what to do.
"""

from typing import ClassVar


class ProcessorError(Exception):
    """A condition that a user or an operator can mend; printed without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init_subclass__(cls, *, exit_code: int) -> None:
        """Give each kind its code."""
        super().__init_subclass__()
        cls.exit_code = exit_code

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(ProcessorError, exit_code=3):
    """A setting is unknown, contradictory or out of range."""


class TopicError(ProcessorError, exit_code=4):
    """A topic is absent or has a setting under which something could be lost."""


class FailClosed(ProcessorError, exit_code=5):  # noqa: N818  it names the stance, not the fault
    """Going on could lose or repeat a snapshot, so an operator decides."""


class Unavailable(ProcessorError, exit_code=6):  # noqa: N818  a server's state
    """A server did not answer in time; raised by short commands only."""


class Forbidden(ProcessorError, exit_code=7):  # noqa: N818  a server's answer
    """A server refused the credentials or the operation."""


class InputError(ProcessorError, exit_code=8):
    """Some given lines or arguments were refused."""


class NotFound(ProcessorError, exit_code=9):  # noqa: N818  an answer
    """What was asked for does not exist."""


class LocalStackError(ProcessorError, exit_code=10):
    """The local stack could not be started or found."""


class UnpublishableError(ProcessorError, exit_code=11):
    """The broker refused one record for good; the message names the record."""


class TooManyDeadLetters(ProcessorError, exit_code=12):  # noqa: N818  what happened
    """A partition that passed a limit on dead letters keeps `--until-end` from its end."""


class IncompatibleSchema(ProcessorError, exit_code=13):  # noqa: N818  a finding
    """A schema and one that values were written with do not go together; says where."""


class KeptWithoutEnd(ProcessorError, exit_code=14):  # noqa: N818  a finding
    """What is to be erased stays without an end: in a topic by its settings, or in a replay."""


class OutputError(ProcessorError, exit_code=15):
    """Standard output is closed or full; what the command did before stays done."""
