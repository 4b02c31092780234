"""What happens when, on the one clock that all hosts of a scenario are measured by."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any


class RestlessError(Exception):
    """So much happens that it will not end."""


class Agenda:
    """Calls things at their time, those of the same time in the order they were asked for.
    ``at_most``: so many of them; then it raises RestlessError."""

    __slots__ = ("_at_most", "_heap", "_number", "now")

    def __init__(self, at_most: int) -> None:
        self.now = 0.0
        self._at_most = at_most
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = count()

    def at(self, when: float, call: Callable[..., None], *arguments: Any) -> None:
        number = next(self._number)
        if number > self._at_most:
            raise RestlessError(f"{number} things to do until {self.now:.3f} s")
        heappush(self._heap, (when, number, call, arguments))

    def run(self, until: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, arguments = heappop(heap)
            call(*arguments)
        self.now = until
