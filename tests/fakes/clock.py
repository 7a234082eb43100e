"""A clock whose time passes when a test says so."""

from collections.abc import Callable


class FakeClock:
    """A Clock. What is due while it waits happens then."""

    def __init__(self, now: float = 0.0, day_ms: int = 0) -> None:
        """Take the time of day at 0, in milliseconds since 1970."""
        self.now = now
        self._day_ms = day_ms
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return self._day_ms + int(self.now * 1000)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self._timers if timer[0] <= self.now]
        self._timers = [timer for timer in self._timers if timer[0] > self.now]
        for _, action in due:
            action()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._timers.append((self.now + seconds, action))
