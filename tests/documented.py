"""What docs/operations/ says: its pages, their sections, and the rights of Redis' users."""

import re
from pathlib import Path
from typing import NamedTuple

_PAGES = [
    path.read_text("utf-8")
    for path in sorted((Path(__file__).parents[1] / "docs" / "operations").glob("*.md"))
]
OPERATIONS = "\n".join(_PAGES)


def prompts(text: str) -> list[str]:
    """Return what follows a prompt in a text."""
    return re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)


def section(title: str) -> str:
    """Return what stands under a heading, up to the next one of its page."""
    heading = rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)"
    (found,) = (
        each for page in _PAGES for each in re.findall(heading, page, re.MULTILINE | re.DOTALL)
    )
    return str(found)


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
    found = re.findall(rf"^ACL SETUSER {user} (.+)$", OPERATIONS, re.MULTILINE)
    assert len(found) == 1, f"{user} has {len(found)} rules"
    return Rule(user, tuple(found[0].split()))


def besides(where: str) -> list[str]:
    """Return what a row of the table adds, by the words that the row begins with."""
    (row,) = [line for line in OPERATIONS.splitlines() if line.startswith(f"| {where}")]
    return re.findall(r"[+~][^ `]+", row.replace("\\|", "|"))
