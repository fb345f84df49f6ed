"""Whether the data ever tried what the policy does: distances to the nearest logged (observation, action).

A grid is of no use beyond four dimensions, so distances are used: d(s, a) is that to the k-th nearest logged pair, in
standardised coordinates (for choices: among the rows with that choice). The data's own pairs, each left out in turn,
say what is usual; an action is out of distribution where d is beyond their 95% quantile. So 5% is what the data
themselves would have.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rl_data.evaluation.fqe import choices
from rl_data.policies import Policy
from rl_data.transitions import Transitions

Floats = NDArray[np.float64]


def out_of_distribution(
    rows: Transitions,
    policy: Policy,
    *,
    neighbours: int = 5,
    quantile: float = 0.95,
    references: int = 20_000,
    queries: int = 2_000,
    seed: int = 0,
) -> float:
    """Return the share of the policy's actions, in the observations of the data, that are out of distribution.

    Args:
        rows: the data.
        policy: its actions are weighted by their probabilities (choices), or one is drawn (vectors).
        neighbours: k.
        quantile: of the data's own distances.
        references: rows that are searched, at random where there are more.
        queries: observations that are asked about, at random where there are more.
        seed: of what is drawn.
    """
    draws = np.random.default_rng(seed)
    chosen = draws.permutation(rows.rows)[:references]
    asked = chosen[draws.permutation(len(chosen))[:queries]]
    seen = rows.observations.numpy().astype(np.float64)
    seen = _standardised(seen, seen[chosen])
    generator = torch.Generator().manual_seed(seed)
    would = choices(policy, rows.observations[torch.from_numpy(asked)], 1, generator)
    if would.probabilities is not None:
        actions, probabilities = rows.actions.numpy(), would.probabilities.double().numpy()
        share = 0.0
        for action in np.flatnonzero(probabilities.sum(0) > 0):
            same = chosen[actions[chosen] == action]
            beyond = _beyond(seen[same], seen[asked], neighbours, quantile, actions[asked] == action)
            share += float((beyond * probabilities[:, action]).sum())
        return share / len(asked)
    assert would.actions is not None
    logged = rows.actions.numpy().astype(np.float64)
    pairs = np.concatenate([seen, _standardised(logged, logged[chosen])], axis=1)
    mine = _standardised(would.actions[0].double().numpy(), logged[chosen])
    wanted = np.concatenate([seen[asked], mine], axis=1)
    return float(_beyond(pairs[chosen], wanted, neighbours, quantile, np.zeros(len(asked), np.bool_)).mean())


def _beyond(
    data: Floats, wanted: Floats, neighbours: int, quantile: float, inside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which wanted points are farther from the data than the data's own points are from each other.

    A point that is itself among the data (`inside`) is left out, as the data's own are.
    """
    from scipy.spatial import cKDTree

    if len(data) <= neighbours:
        return np.ones(len(wanted), np.bool_)
    tree = cKDTree(data)
    own = data if len(data) <= 5_000 else data[:: len(data) // 5_000 + 1]
    limit = np.quantile(np.asarray(tree.query(own, k=[neighbours + 1])[0])[:, 0], quantile)
    distances = np.asarray(tree.query(wanted, k=[neighbours, neighbours + 1])[0])
    return np.asarray(np.where(inside, distances[:, 1], distances[:, 0]) > limit)


def _standardised(rows: Floats, reference: Floats) -> Floats:
    spread = reference.std(0)
    return np.asarray((rows - reference.mean(0)) / np.where(spread > 1e-9, spread, 1.0))
