"""Which function answers which fact about trajectories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from audit.facts import Fact

Function = TypeVar("Function", bound=Callable[..., Any])

ANSWERS: dict[type[Fact], Callable[..., Any]] = {}


def answers(fact: type[Fact]) -> Callable[[Function], Function]:
    """Return a decorator for the function `(fact, view) -> answer` of a kind of fact."""

    def mark(function: Function) -> Function:
        known = ANSWERS.get(fact)
        assert known is None or known.__qualname__ == function.__qualname__, f"two functions answer {fact.__name__}"
        ANSWERS[fact] = function
        return function

    return mark
