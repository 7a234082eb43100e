"""The rights of Redis' users, as docs/operations.md states them."""

import re
from pathlib import Path
from typing import NamedTuple

_OPERATIONS = (Path(__file__).parents[1] / "docs/operations.md").read_text("utf-8")


class Rule(NamedTuple):
    """What ACL SETUSER is told."""

    user: str
    words: tuple[str, ...]

    @property
    def commands(self) -> list[str]:
        return [word for word in self.words if word.startswith("+")]

    @property
    def keys(self) -> list[str]:
        return [word for word in self.words if word.startswith("~")]

    def without(self, word: str) -> "Rule":
        return Rule(self.user, tuple(each for each in self.words if each != word))

    def plus(self, *words: str) -> "Rule":
        return Rule(self.user, (*self.words, *words))

    def under(self, prefix: str) -> "Rule":
        """Return the same for another prefix."""
        changed = (word.replace("session-processor", prefix) for word in self.words)
        return Rule(self.user, tuple(changed))

    def arguments(self, user: str, password: str) -> list[str]:
        """Return the command, for a user of the test's own."""
        assert ">PASSWORD" in self.words
        own = (f">{password}" if word == ">PASSWORD" else word for word in self.words)
        return ["ACL", "SETUSER", user, *own]


def rule(user: str) -> Rule:
    """Return the rule that the document has for a user."""
    found = re.findall(rf"^ACL SETUSER {user} (.+)$", _OPERATIONS, re.MULTILINE)
    assert len(found) == 1, f"{user} has {len(found)} rules"
    return Rule(user, tuple(found[0].split()))


def besides(where: str) -> list[str]:
    """Return what a row of the table adds, by the words that the row begins with."""
    (row,) = [line for line in _OPERATIONS.splitlines() if line.startswith(f"| {where}")]
    return re.findall(r"[+~][^ `]+", row.replace("\\|", "|"))
