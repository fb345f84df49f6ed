"""Tabular Q by fitted iteration: exact sweeps over the fixed data until nothing changes.

With a table as the regressor, fitted Q iteration (Ernst et al., JMLR 6, 2005) is value iteration on the process that
the data describe: each sweep sets Q(s, a) to the mean target of the rows with that state and action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rl_data.errors import SettingsError
from rl_data.learners.base import Batch, GreedyPolicy, Metrics, Prepared, check_range
from rl_data.transitions import Problem, Transitions


@dataclass(frozen=True, slots=True)
class QLearningConfig:
    """Options of tabular Q.

    Attributes:
        gamma: discount.
        bins: most cells of each entry of the observation; an entry with at most so many values gets a cell for each,
            others are cut at their quantiles.
        tolerance: stop when no entry of Q changes by more.
    """

    gamma: float = 0.99
    bins: int = 32
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Check the values."""
        check_range(self, gamma=(0.0, 1.0), bins=(2, 65_536), tolerance=(0.0, 1e9))


class QLearning(GreedyPolicy):
    """A table of Q over cells of observations. What the data never did in a cell is never chosen there.

    In a cell that the data never saw, the policy does what the data did most often.
    """

    CONFIG: ClassVar[type] = QLearningConfig
    config: QLearningConfig

    edges: Tensor
    """float32[d, bins - 1]: upper edges of the cells of each entry; infinity where there are fewer."""
    states: Tensor
    """int64[S]: the codes of the cells that were seen, ascending."""
    table: Tensor
    """float64[S, A]: Q; -infinity for what was never done."""
    fallback: Tensor
    """float64[A]: how often each action was taken, as values for cells that were never seen."""
    change: Tensor

    def __init__(self, problem: Problem, config: QLearningConfig) -> None:
        super().__init__(problem, config)
        cells = float(config.bins) ** problem.observation_size
        if cells >= 2.0**62:
            raise SettingsError(
                f"{config.bins} bins in each of {problem.observation_size} entries are too many cells for a table; "
                "take fewer bins, or a learner with a network"
            )
        actions = problem.action_size
        self.register_buffer("edges", torch.full((problem.observation_size, config.bins - 1), torch.inf))
        self.register_buffer("states", torch.zeros(0, dtype=torch.long))
        self.register_buffer("table", torch.zeros(0, actions, dtype=torch.float64))
        self.register_buffer("fallback", torch.zeros(actions, dtype=torch.float64))
        self.register_buffer("change", torch.tensor(torch.inf, dtype=torch.float64))

    def adopt(self, state: Mapping[str, Tensor]) -> None:
        """Take the number of cells of a saved table."""
        self.states = torch.zeros_like(state["states"])
        self.table = torch.zeros_like(state["table"])

    def prepare(self, data: Transitions) -> Prepared:
        """Cut the observations into cells, and count."""
        for entry in range(data.observations.shape[1]):
            found = self._cuts(data.observations[:, entry])
            self.edges[entry, : len(found)] = found
        rows, following = self.cells(data.observations), self.cells(data.next_observations)
        seen = distinct(torch.cat([rows, following[~data.terminated]]))
        self._row = torch.searchsorted(seen, rows)
        self._next = torch.searchsorted(seen, following).clamp(max=len(seen) - 1)  # at terminated rows it is masked
        size = len(seen) * self.problem.action_size
        self._place = self._row * self.problem.action_size + data.actions
        self._counts = torch.zeros(size, dtype=torch.float64, device=rows.device)
        self._counts.index_add_(0, self._place, torch.ones(len(rows), dtype=torch.float64, device=rows.device))
        self._rewards = data.rewards.double()
        self._alive = (~data.terminated).double()
        if not torch.equal(seen, self.states):  # else this goes on from a checkpoint
            self.states = seen
            self.table = torch.where(self._counts > 0, 0.0, -torch.inf).view(len(seen), -1)
            self.fallback = torch.bincount(data.actions, minlength=self.problem.action_size).double()
        return Prepared()

    def build_optimisers(self, steps: int) -> None:
        """Nothing: there is no gradient."""

    def update(self, batch: Batch, step: int) -> Metrics:
        """Sweep once over all rows; the batch is not used."""
        swept = self.sweep()
        seen = self._counts.view_as(swept) > 0
        self.change = (swept - self.table)[seen].abs().max()
        self.table = swept
        return {"change": self.change, "q": self.table[seen].mean()}

    def sweep(self) -> Tensor:
        """Q(s, a) <- mean over the data of r + gamma (1 - terminated) max_a' Q(s', a'), float64[S, A]."""
        # a cell that was only ever arrived in has no known action: its value is 0
        best = self.table.amax(1).nan_to_num(neginf=0.0)
        targets = self._rewards + self.config.gamma * self._alive * best[self._next]
        sums = torch.zeros_like(self._counts).index_add_(0, self._place, targets)
        return torch.where(self._counts > 0, sums / self._counts, -torch.inf).view_as(self.table)

    def finished(self) -> bool:
        """Whether the last sweep changed nothing."""
        return bool(self.change <= self.config.tolerance)

    def cells(self, observations: Tensor) -> Tensor:
        """Return the code of each observation's cell, int64[N]."""
        places = torch.searchsorted(self.edges, observations.T.contiguous())
        code = torch.zeros(len(observations), dtype=torch.long, device=observations.device)
        for place in places:
            code = code * self.config.bins + place
        return code

    def values(self, observations: Tensor) -> Tensor:
        """Return Q of raw observations, float64[N, A]."""
        code = self.cells(observations)
        place = torch.searchsorted(self.states, code).clamp(max=max(len(self.states) - 1, 0))
        known = self.states[place] == code
        known &= self.table[place].amax(1) > -torch.inf
        return torch.where(known.unsqueeze(1), self.table[place], self.fallback)

    def _cuts(self, values: Tensor) -> Tensor:
        """Return ascending edges between the cells of one entry, float32[<= bins - 1]."""
        found = distinct(values)
        if len(found) <= self.config.bins:
            return (found[:-1] + found[1:]) / 2
        ordered = values.sort().values
        places = torch.arange(1, self.config.bins, device=values.device) * len(ordered) // self.config.bins
        return distinct(ordered[places])


def distinct(values: Tensor) -> Tensor:
    """Return the values that occur, ascending."""
    found: Tensor = values.unique()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found
