"""Updates as JSON that few would write so: space, escapes, digits, the order of members."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any

SPACE = ("", "", "", " ", "\t", "\r\n", "  ")
Headers = list[tuple[str, bytes | None]]


class Speller:
    """Spells JSON by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def _space(self) -> str:
        return self._random.choice(SPACE)

    def _each(self, parts: Iterable[str], brackets: str) -> str:
        spaced = (f"{self._space()}{part}{self._space()}" for part in parts)
        return brackets[0] + (",".join(spaced) or self._space()) + brackets[1]

    def _object(self, texts: Iterable[tuple[str, str]]) -> str:
        members = [f"{self.string(n)}{self._space()}:{self._space()}{v}" for n, v in texts]
        self._random.shuffle(members)
        return self._each(members, "{}")

    def string(self, text: str) -> str:
        """Return a string whose characters are escaped or not, where either can be."""
        return '"' + "".join(map(self._letter, text)) + '"'

    def _letter(self, letter: str) -> str:
        units = letter.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
        short = json.dumps(letter)[1:-1]
        plain = letter >= " " and letter not in '"\\'
        either = [escaped, escaped.upper().replace("\\U", "\\u"), short, "\\/"]
        return self._random.choice(
            [*either[: 4 if letter == "/" else 3], *([letter] * 6 if plain else [])]
        )

    def double(self, value: float) -> str:
        """Return a number that is nearest to this double."""
        forms = [repr(value), f"{value:.17e}", f"{value:.40g}", f"{value:.17E}", f"{value:.330f}"]
        text = self._random.choice(forms)
        if value.is_integer() and abs(value) < 1e18 and (value or str(value) == "0.0"):
            text = self._random.choice(
                [text, str(int(value)), f"{int(value)}.000", f"{int(value)}e0"]
            )
        return text

    def any(self, depth: int = 3) -> str:
        """Return any value that an attribute may have."""
        scalars = ["true", "null", "1e999", "-0", '"\\ud800"', "12345678901234567890.10", '"\\/"']
        if depth == 0 or self._random.random() < 0.4:
            return self._random.choice(scalars)
        parts = [self.any(depth - 1) for _ in range(self._random.randrange(3))]
        if self._random.random() < 0.5:
            return self._each(parts, "[]")
        return self._each([f'"{self._random.choice("aab")}":{part}' for part in parts], "{}")

    def update(self, document: dict[str, Any], *, whole: bool = True) -> str:
        """Return an update's fields; without `whole` its id and time are left to an event."""
        left = set() if whole else {"eventId", "eventTime"}
        return self._record({n: v for n, v in document.items() if n not in left})

    def _record(self, record: dict[str, Any]) -> str:
        held = {n: v for n, v in record.items() if v is not None or self._random.random() < 0.3}
        return self._object((name, self._value(name, value)) for name, value in held.items())

    def _value(self, name: str, value: Any) -> str:
        if isinstance(value, dict):
            return self._members(name, value)
        if isinstance(value, list):
            return self._each((self._value("", each) for each in value), "[]")
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, float):
            return self.double(value)
        minus = value == 0 and self._random.random() < 0.5
        return "null" if value is None else f"{'-' if minus else ''}{value}"

    def _members(self, name: str, value: dict[str, Any]) -> str:
        if name == "":
            return self._record(value)
        if name == "attributes":
            kept = {each: "null" if text is None else text.strip() for each, text in value.items()}
            return self._object(kept.items())
        return self._object((each, self._value("", amount)) for each, amount in value.items())

    def event(self, document: dict[str, Any], data: str, time: str | None) -> str:
        """Return an event in structured mode."""
        texts = {
            "specversion": self.string("1.0"),
            "id": self.string(document["eventId"]),
            "source": self.string("/shop"),
            "time": "null" if time is None else self.string(time),
            "data": data,
            "traceparent": self._random.choice(["1", "true", "null", '"\\u00e9"']),
        }
        return self._space() + self._object(texts.items()) + self._space()
