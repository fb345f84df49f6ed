"""The engine of trajectories: answers to the facts of `audit.episode_facts`, in memory, each computed once.

A function marked `@answers(SomeFact)` computes the answer to a fact; it gets the fact and an `EpisodeView` (the
trajectories with what is derived from them once). Every module of this package is found by walking it, so that a new
fact needs a module here and one in `audit.episode_facts`, and no list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from audit.engine.episodes.registry import ANSWERS, answers
from audit.engine.episodes.view import EpisodeView
from audit.engine.plan import Failure
from audit.facts import Fact

__all__ = ["EpisodeEngine", "EpisodeView", "answers"]

Progress = Callable[[str], None]


@dataclass(slots=True)
class EpisodeEngine:
    """Answers facts about one set of trajectories, several side by side.

    Attributes:
        view: the trajectories.
        threads: how many facts are computed at a time.
    """

    view: EpisodeView
    threads: int = 1

    def answer(self, facts: Sequence[Fact], progress: Progress = lambda _: None) -> Mapping[Fact, Any]:
        """Return the answer, or a `Failure`, of each fact."""
        from threadpoolctl import threadpool_limits

        _load()
        wanted = list(dict.fromkeys(facts))

        def attempt(fact: Fact) -> Any:
            progress(f"measuring {_words(fact)}")
            try:
                return self.view.answer(fact)
            except Exception as error:
                return Failure(fact, error)

        # one thread each for linear algebra: the facts themselves run side by side, and no bit depends on how many do
        with threadpool_limits(1, user_api="blas"):
            if self.threads <= 1:
                return {fact: attempt(fact) for fact in wanted}
            # The last asked for, models and hashes, take longest and come first; some threads wait for one another.
            with ThreadPoolExecutor(2 * self.threads + 1) as pool:
                made = dict(zip(reversed(wanted), pool.map(attempt, reversed(wanted)), strict=True))
            return {fact: made[fact] for fact in wanted}


def _words(fact: Fact) -> str:
    name = type(fact).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


_loaded: list[bool] = []


def _load() -> None:
    if not _loaded:
        for module in pkgutil.iter_modules(__path__, __name__ + "."):
            importlib.import_module(module.name)
        _loaded.append(True)


assert ANSWERS is not None  # filled by the modules of this package
