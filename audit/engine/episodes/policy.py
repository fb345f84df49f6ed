"""Answers about how actions were chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.choose import chosen_rows, finite_observations
from audit.engine.episodes.registry import answers
from audit.engine.episodes.view import EpisodeView, Flags
from audit.episode_facts.policy import ActionRandomness, ActionRandomnessValues, PolicyRecord, PolicyRecordValues
from audit.sources.trajectories import names_of
from audit.stats.trajectory_policy import UNIFORM, choice_randomness, vector_randomness
from audit.stats.trajectory_weights import effective_by_step, ratio_log_weights, weighing

FEWEST_ROWS = 50
CURVE = 200


@answers(ActionRandomness)
def action_randomness(fact: ActionRandomness, view: EpisodeView) -> ActionRandomnessValues:
    """Clone the behaviour on some episodes, and see how well that tells the actions of others."""
    t = view.trajectories
    usable = view.finite
    if t.discrete:
        usable = usable & (t.actions >= 0) & (t.actions < t.action_space.size)
    rows = chosen_rows(view, fact.rows, usable)
    episodes = view.episode_of_row[rows]
    present = len(np.unique(episodes))
    if len(rows) < FEWEST_ROWS or present < 3:
        return ActionRandomnessValues(
            f"{len(rows):,} usable steps in {present:,} episodes: how random actions are needs {FEWEST_ROWS} steps in 3"
        )
    states, basis = finite_observations(view, rows), view.basis_of(len(rows))
    if t.discrete:
        actions = t.actions[rows].astype(np.int64)
        if t.action_space.size < 2 or len(np.unique(actions)) < 2:
            return ActionRandomnessValues("", True, 0.0, 0.0, 0.0, 1.0, basis=basis)
        choice = choice_randomness(states, actions, t.action_space.size, episodes, view.seed)
        return ActionRandomnessValues(
            "", True, choice.cross_entropy, choice.cross_entropy, choice.entropy, choice.agreement, basis=basis
        )
    vectors = np.asarray(t.actions[rows], dtype=np.float64)
    ranges = _ranges(view, vectors)
    varies = (np.ptp(vectors, axis=0) > 0) & (ranges > 0)
    residual, explained = np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])
    if varies.any():
        found = vector_randomness(states, vectors[:, varies], ranges[varies], episodes, view.seed)
        residual[varies], explained[varies] = found.residual, found.explained
    middle = float(np.median(residual[varies])) if varies.any() else 0.0
    return ActionRandomnessValues(
        "",
        False,
        middle,
        min(1.0, middle / UNIFORM),
        residual=tuple(residual.tolist()),
        explained=tuple(explained.tolist()),
        names=names_of(t.action_space, "action"),
        basis=basis,
    )


def _ranges(view: EpisodeView, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the width of each entry's actions: the middle 99% as seen, since declared bounds may be far wider."""
    low, high = np.quantile(vectors, [0.005, 0.995], axis=0)
    whole = np.ptp(vectors, axis=0)
    return np.asarray(np.where(high > low, high - low, whole), dtype=np.float64)


@answers(PolicyRecord)
def policy_record(fact: PolicyRecord, view: EpisodeView) -> PolicyRecordValues:
    """Read log-probabilities, weights and policies as the data give them."""
    t = view.trajectories
    said: dict[str, object] = {}
    log_mu = t.behaviour_log_prob
    if log_mu is not None and t.rows:
        impossible = np.isnan(log_mu) | (log_mu == np.inf)
        if t.discrete:
            impossible |= log_mu > 1e-6
        good = log_mu[np.isfinite(log_mu) & ~impossible]
        said |= {"log_probs": len(good), "impossible": impossible}
        if t.discrete and len(good):
            said |= {"certain": float((good > -1e-6).mean())}
            if t.action_space.size > 1:
                said |= {"entropy": min(1.0, float(-good.mean()) / float(np.log(t.action_space.size)))}
        said |= _ratios(view, fact.target, log_mu, impossible)
    if t.weights is not None and t.rows:
        bad = ~np.isfinite(t.weights) | (t.weights < 0)
        with np.errstate(divide="ignore"):
            found = weighing(np.log(t.weights[~bad]))
        said |= {"step_weights": (found.effective, found.n), "bad_weights": int(bad.sum())}
    if t.policy_ids is not None and t.rows:
        said |= _policies(view)
    return PolicyRecordValues(**said)  # type: ignore[arg-type]  # each entry is set to its own type above


def _ratios(view: EpisodeView, target: str, log_mu: NDArray[np.float64], impossible: Flags) -> dict[str, object]:
    """Return what importance weights leave of the episodes, where a second policy's log-probabilities are given."""
    t = view.trajectories
    given = t.infos.get(target)
    if given is None or given.dtype.kind not in "fiu" or given.ndim != 1:
        return {}
    log_pi = np.asarray(given, dtype=np.float64)
    bad = impossible | ~np.isfinite(log_mu) | np.isnan(log_pi) | (log_pi == np.inf)
    usable = (t.lengths > 0) & ~np.isin(np.arange(t.episodes), view.episode_of_row[bad])
    part = t.take(np.flatnonzero(usable))
    assert part.behaviour_log_prob is not None
    pi, mu = np.asarray(part.infos[target], dtype=np.float64), part.behaviour_log_prob
    found = weighing(ratio_log_weights(pi, mu, part.offsets))
    longest = int(part.lengths.max(initial=0))
    curve = effective_by_step(pi, mu, part.offsets, min(CURVE, longest))
    return {"episode_effective": (found.effective, found.n), "largest_share": found.largest, "curve": curve}


def _policies(view: EpisodeView) -> dict[str, object]:
    t = view.trajectories
    assert t.policy_ids is not None
    names, codes = np.unique(t.policy_ids, return_inverse=True)
    codes = codes.reshape(-1)
    steps = np.bincount(codes, minlength=len(names))
    firsts = t.offsets[:-1][t.lengths > 0]
    episodes = np.bincount(codes[firsts], minlength=len(names))
    changes = np.zeros(t.rows, dtype=bool)
    changes[1:] = codes[1:] != codes[:-1]
    changes[firsts] = False
    order = np.argsort(-steps, kind="stable")
    return {
        "policies": tuple((str(names[i]), int(steps[i]), int(episodes[i])) for i in order.tolist()),
        "mixed_episodes": len(np.unique(view.episode_of_row[changes])),
    }
