"""Answers about all markets cost ms to make: they are made once for as long as what they say stays the same."""

from collections.abc import Callable, Hashable
from typing import final

from app.door import Answer


@final
class Kept:
    """The answer of a public row, which says the same to everybody."""

    __slots__ = ("_answer", "_of")

    def __init__(self) -> None:
        self._answer: Answer | None = None
        self._of: Hashable = None

    def answer(self, of: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer as of something; made anew when that is not what the last one was of."""
        if self._answer is None or self._of != of:
            self._answer, self._of = make(), of
        return self._answer
