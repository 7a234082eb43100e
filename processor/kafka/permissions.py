"""What Kafka must allow to whoever connects, in the words of its ACLs."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Operation = Literal["READ", "WRITE", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS"]
Kind = Literal["topic", "group", "transactional id"]

_INCLUDES_DESCRIBE: Final = "READ"


class Permission(NamedTuple):
    """One operation on one resource. A name that ends in `*` is a prefix."""

    operation: Operation
    kind: Kind
    name: str
    user: str = ""
    """Who needs it, if the settings say as whom they connect."""

    def __str__(self) -> str:
        """Return how an error names it."""
        told = f"{self.operation} on {self.kind} {self.name}"
        if self.operation == "DESCRIBE":
            told += f" ({_INCLUDES_DESCRIBE} on {self.kind} {self.name} includes it)"
        return told


def of_kind(kind: Kind | None, needs: Iterable[Permission]) -> Iterator[Permission]:
    """Yield the needs that the refusal of such a resource can be about, each once."""
    if kind is not None:
        yield from dict.fromkeys(each for each in needs if each.kind == kind)


def lacking(needs: Iterable[Permission]) -> str:
    """Return a sentence's end that says what is needed; empty where nobody knows."""
    told = list(needs)
    if not told:
        return ""
    who = f"the user {told[0].user}" if told[0].user else "whoever connects"
    return f": {who} lacks {' or '.join(map(str, told))}"
