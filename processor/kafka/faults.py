"""Kafka's errors, sorted once: every branch elsewhere is one of the few that are raised here.

| what librdkafka says                               | what is raised          |
|----------------------------------------------------|-------------------------|
| credentials or permissions refused                 | Forbidden               |
| a property that librdkafka does not know or take    | ConfigError             |
| no such topic or partition                         | TopicError              |
| an offset outside the log                          | FailClosed              |
| a record that no attempt can publish               | UnpublishableError      |
| the transaction must be aborted                    | BatchAborted            |
| retriable, timed out, no connection                | LogUnavailable          |
| anything else, from a transactional producer       | ProducerLost            |
| anything else                                      | LogUnavailable          |

Each function takes what the call needs to be allowed, so that a refusal can name it. It is iterated
only where something was refused: to find out may take a question to the brokers.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

from processor.errors import ConfigError, FailClosed, Forbidden, TopicError, UnpublishableError
from processor.kafka.permissions import Permission, ResourceKind, lacking, of_kind
from processor.ports.log import BatchAborted, LogUnavailable, ProducerLost

Result = TypeVar("Result")

_FORBIDDEN: Final[Mapping[int, ResourceKind | None]] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: None,
}
_UNKNOWN_USER: Final = frozenset(
    {
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001  librdkafka's own codes have this form
    }
)
_NO_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_OUTSIDE_LOG: Final = frozenset(
    {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET, KafkaError._NO_OFFSET}  # noqa: SLF001
)
_RECORD: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.POLICY_VIOLATION,
    }
)
_AWAY: Final = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
    }
)
_PROPERTY: Final = frozenset({KafkaError._INVALID_ARG, KafkaError._CONFLICT})  # noqa: SLF001
_PERMISSION_HINT: Final = "Grant what docs/operations/permissions.md lists, then start again."
_USER_HINT: Final = (
    "Check sasl.mechanism and sasl.username in PROCESSOR_KAFKA, and PROCESSOR_KAFKA_SASL_PASSWORD."
)
_TOPIC_HINT: Final = "Run `session-processor topics check`."


def sort(error: KafkaError, doing: str, needs: Iterable[Permission] = ()) -> Exception:
    """Return the exception that an error means outside of a producer."""
    code = error.code()
    text = f"{doing}: {error.str()} ({error.name()})"
    if code in _FORBIDDEN or code in _UNKNOWN_USER:
        missing = lacking(of_kind(_FORBIDDEN.get(code), needs))
        hint = _PERMISSION_HINT if code in _FORBIDDEN else _USER_HINT
        return Forbidden(f"{text}{missing}", hint=hint)
    if code in _PROPERTY:
        return ConfigError(text, hint="Mend the property in PROCESSOR_KAFKA.")
    if code in _NO_TOPIC:
        # Brokers hide what they do not allow.
        hidden = " or ".join(map(str, of_kind("topic", needs)))
        seems = f" A topic also looks absent to who lacks {hidden}." if hidden else ""
        return TopicError(text, hint=f"{_TOPIC_HINT}{seems}")
    if code in _OUTSIDE_LOG:
        return FailClosed(
            f"{text}. The offset to read on from is outside the input log: records that were not "
            "processed have expired, or the log was truncated",
            hint="Run `session-processor offsets show`, then `session-processor offsets repair`.",
        )
    if code in _RECORD:
        return UnpublishableError(text, hint=_TOPIC_HINT)
    return LogUnavailable(text)


def is_outside_log(error: KafkaError) -> bool:
    """Whether the offset to read on from is outside the log."""
    return error.code() in _OUTSIDE_LOG


def sort_producer(error: KafkaError, doing: str, needs: Iterable[Permission] = ()) -> Exception:
    """Return the exception that an error of the transactional producer means."""
    fault = sort(error, doing, needs)
    # A broker may not know for a moment a topic that the others know.
    passing = isinstance(fault, TopicError)
    if passing or (error.txn_requires_abort() and not isinstance(fault, Forbidden)):
        return BatchAborted(f"{doing}: {error.str()} ({error.name()})")
    if isinstance(fault, LogUnavailable) and not is_passing(error):
        return ProducerLost(str(fault))
    return fault


def is_passing(error: KafkaError) -> bool:
    """Whether the same call may succeed later."""
    return not error.fatal() and (error.retriable() or error.code() in _AWAY)


def is_record_level(error: KafkaError) -> bool:
    """Whether the error is of one record, whatever the attempt."""
    return error.code() in _RECORD


class Causes:
    """Why a client cannot connect, as it last said; a call without an answer says only that.

    Its `note` is the client's `error_cb`.
    """

    def __init__(self) -> None:
        self._last: KafkaError | None = None
        self._let_in = False

    def note(self, error: KafkaError) -> None:
        """Keep an error that waiting does not mend."""
        if error.code() in _UNKNOWN_USER or error.code() == KafkaError._SSL:  # noqa: SLF001
            self._last = error

    def last(self) -> str | None:
        """Return what was said."""
        return None if self._last is None else self._last.str()

    def forget(self) -> None:
        """Let go of what was said: it is over."""
        self._last = None

    @contextmanager
    def explaining(self, serve: Callable[[float], object]) -> Iterator[None]:
        """Where there is no answer inside: raise Forbidden if the user is unknown, else the cause.

        Who was let in once is known: then it is the servers' trouble, and LogUnavailable. `serve`
        is the client's `poll`, without which it does not call back.
        """
        serve(0)
        self.forget()
        try:
            yield
        except LogUnavailable as fault:
            serve(0)
            if self._last is None:
                raise
            if self._let_in:
                raise LogUnavailable(f"{fault}: {self._last.str()}") from fault
            raise sort(self._last, str(fault)) from fault
        else:
            self._let_in = True


@contextmanager
def sorting(doing: str, *needs: Permission, but: Container[int] = ()) -> Iterator[None]:
    """Turn Kafka's errors inside, and a future that stays without its result, into sorted ones.

    An error whose code is one of `but` ends what is inside and is not raised.
    """
    try:
        yield
    except TimeoutError:
        raise LogUnavailable(f"{doing}: no answer") from None
    except KafkaException as exception:
        error: KafkaError = exception.args[0]
        if error.code() not in but:
            raise sort(error, doing, needs) from exception


def error_of(fault: Exception) -> KafkaError | None:
    """Return Kafka's error that a sorted one was made of, None where there was no answer at all."""
    cause = fault.__cause__
    return cause.args[0] if isinstance(cause, KafkaException) else None


def persist(
    call: Callable[[float], Result],
    doing: str,
    patience: Callable[[], float],
    needs: Iterable[Permission] = (),
    once: float = 2.0,
) -> Result:
    """Return the answer of a producer's call, repeated while its error is passing.

    `call` takes the seconds that one attempt may last; `patience` tells, each time it is asked, how
    many seconds all attempts together may. Raises what `sort_producer` makes of the last error.
    """
    start = monotonic()
    while True:
        try:
            return call(once)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if is_passing(error) and not error.txn_requires_abort():
                if monotonic() - start < patience():
                    continue
                raise ProducerLost(f"{doing}: {error.str()} ({error.name()})") from exception
            raise sort_producer(error, doing, needs) from exception
