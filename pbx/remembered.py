"""What was worked out once and comes again with every call: a network's phones say the same few things."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar, TypeVarTuple

MAX_ANSWERS: Final = 1024
"""How many answers one function's memory holds; when it is full it begins anew."""
MAX_QUESTION: Final = 2048
"""The longest question, in characters of its text, whose answer is kept: so a memory has at most some MiB."""

Question = TypeVarTuple("Question")
Answer = TypeVar("Answer")


class Remembered(dict[tuple[*Question], Answer], Generic[*Question, Answer]):
    """The answers of a pure function to `[question, …]`; whoever gets one does not change it.

    Errors are not remembered. Unlike functools.lru_cache it looks at how large a question is.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[*Question], Answer]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, question: tuple[*Question]) -> Answer:
        answer = self._function(*question)
        parts = [len(part) if isinstance(part, str) else len(repr(part)) for part in question]
        if sum(parts) <= MAX_QUESTION:
            if len(self) >= MAX_ANSWERS:
                self.clear()
            self[question] = answer
        return answer
