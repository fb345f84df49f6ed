"""The return of a policy from held-out episodes: GAE(lambda) with importance ratios around a critic of that policy.

Plain GAE on logged data tells the return of whoever recorded them, whatever the critic. With the ratios rho = pi / mu,
each held-out episode gives

    J = V(s_0) + sum_t gamma^t (c_0 .. c_t-1) rho_t (r_t + gamma V(s_t+1) - Q(s_t, a_t))
    rho_t = min(clip_rho, ratio_t),  c_t = lambda min(clip_c, ratio_t)

with Q and V = E_pi Q from fitted Q evaluation on the other episodes. lambda = 0 is the critic with one correction: low
variance, biased by the critic; lambda = 1 without clipping is the doubly robust estimator (Jiang and Li, arXiv
1511.03722): no bias from the critic, high variance. `baseline="v"` puts V(s_t) in place of Q(s_t, a_t), which is
V-trace to the letter (Espeholt et al., arXiv 1802.01561); clipped, that is biased even with an exact critic, which the
Q form is not: its correction is then zero on average, whatever the clips are.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rl_data.evaluation.fqe import Values
from rl_data.evaluation.logged import Logged
from rl_data.gae import vtrace

Floats = NDArray[np.float64]


def episode_returns(
    logged: Logged,
    ratios: Floats,
    values: Values,
    *,
    gamma: float,
    lam: float,
    clip_rho: float = np.inf,
    clip_c: float = np.inf,
    baseline: Literal["q", "v"] = "q",
) -> Floats:
    """Return J of each episode by each critic, float64[M, E].

    Args:
        logged: N rows, E episodes; all of them with rows.
        ratios: float64[N], pi / mu of the logged actions; ones give plain GAE.
        values: of M critics.
        gamma: discount, in [0, 1].
        lam: lambda, in [0, 1].
        clip_rho: upper bound of rho.
        clip_c: upper bound of c; at most clip_rho.
        baseline: what is subtracted; see the module.

    Raises:
        SettingsError: gamma, lambda or a clip is out of range.
    """
    rows, offsets = logged.rows, logged.offsets
    flags = (rows.terminated.numpy(), rows.truncated.numpy())
    out = []
    for q, v, next_v in zip(values.q.numpy(), values.v.numpy(), values.next_v.numpy(), strict=True):
        # with r + V - Q as reward, V-trace's delta is r + gamma V' - Q
        rewards = logged.rewards + v - q if baseline == "q" else logged.rewards
        found = vtrace(
            rewards, v, next_v, *flags, offsets, ratios, gamma=gamma, lam=lam, clip_rho=clip_rho, clip_c=clip_c
        )
        out.append(np.asarray(found.returns)[offsets[:-1]])
    return np.stack(out)


def held_out(by_member: Floats, fold_of_episode: NDArray[np.int64], folds: int) -> Floats:
    """Return each episode's value by the critics that did not see it, float64[R, E].

    Args:
        by_member: float64[folds * R, E]; members fold * R .. fold * R + R - 1 were fitted without that fold.
        fold_of_episode: int64[E].
        folds: how many.
    """
    refits = len(by_member) // folds
    places = fold_of_episode[None, :] * refits + np.arange(refits)[:, None]
    return np.take_along_axis(by_member, places, axis=0)


def fold_weights(fold_of_episode: NDArray[np.int64], folds: int, resampled: Floats) -> Floats:
    """Return how often each episode counts for each critic, float64[folds * R, E]: resample r without the fold.

    A critic whose resample leaves no episode outside of its fold gets all of those once.
    """
    outside = np.stack([fold_of_episode != fold for fold in range(folds)]).astype(np.float64)
    weights = (outside[:, None, :] * resampled[None]).reshape(-1, len(fold_of_episode))
    empty = weights.sum(1) == 0
    weights[empty] = np.repeat(outside, len(resampled), axis=0)[empty]
    return weights
