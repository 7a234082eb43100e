"""What Kafka must allow to whoever connects, in the words of its ACLs."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

Operation = Literal["READ", "WRITE", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS"]
ResourceKind = Literal["topic", "group", "transactional id"]

_INCLUDES_DESCRIBE: Final = "READ"


class Permission(NamedTuple):
    """One operation on one resource. A name that ends in `*` is a prefix."""

    operation: Operation
    kind: ResourceKind
    name: str
    user: str = ""
    """Who needs it, if the settings say as whom they connect."""

    def __str__(self) -> str:
        """Return how an error names it."""
        missing = f"{self.operation} on {self.kind} {self.name}"
        if self.operation == "DESCRIBE":
            missing += f" ({_INCLUDES_DESCRIBE} on {self.kind} {self.name} includes it)"
        return missing


def of_kind(kind: ResourceKind | None, needs: Iterable[Permission]) -> Iterator[Permission]:
    """Yield the needs that the refusal of such a resource can be about, each once."""
    if kind is not None:
        yield from dict.fromkeys(each for each in needs if each.kind == kind)


def lacking(needs: Iterable[Permission]) -> str:
    """Return a sentence's end that says what is needed; empty where nobody knows."""
    missing = list(needs)
    if not missing:
        return ""
    who = f"the user {missing[0].user}" if missing[0].user else "whoever connects"
    return f": {who} lacks {' or '.join(map(str, missing))}"
