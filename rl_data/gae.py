"""Advantages and returns over ragged episodes: GAE(lambda), V-trace, Retrace(lambda).

All functions take one entry a transition, flat over episodes, and `offsets`, int64[E + 1]: rows offsets[e] to
offsets[e + 1] are episode e. `next_values[t]` is the critic's value of the observation that followed row t: at a
truncated row that of the real final observation, never of the next episode's first. Then

    terminated    no bootstrap: the value after it is 0, and nothing from later rows enters
    truncated     bootstraps from `next_values`; nothing from later rows enters
    both          terminated wins
    last row without a flag    as truncated

With timeouts marked as terminal, each of them errs by exactly -gamma * next_values at its row.

Which end of lambda has bias, and which variance: lambda = 0 is one-step temporal difference, with LOW variance and
HIGH bias (unless the critic is exact); lambda = 1 is Monte Carlo, with HIGH variance and no bias from the critic
(Schulman et al., arXiv 1506.02438, section 3). The opposite is widely copied, and wrong.

NumPy arrays and tensors on the CPU run in compiled loops without being copied; tensors on another device in
log2(longest episode) vectorised passes there. The result has the kind of the first argument; float64 where any argument
is, else float32, in which narrower types (float16, bfloat16) are computed. No gradient passes through.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from rl_data.errors import SettingsError
from rl_data.gae_kernels import scan, scan_advantages
from rl_data.processors import processors

Array: TypeAlias = Any
"""A NumPy array or a tensor. What a function returns has the kind of its first argument."""

_ROWS_A_THREAD = 100_000  # below that, handing work to a thread costs more than the thread saves


def advantages(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    offsets: Array,
    *,
    gamma: float,
    lam: float,
) -> Array:
    """Return generalised advantage estimates, float[N] (Schulman et al., arXiv 1506.02438, equation 16).

        delta_t = r_t + gamma (1 - terminated_t) V(s_t+1) - V(s_t)
        A_t     = delta_t + gamma lambda (1 - (terminated_t or truncated_t)) A_t+1

    Args:
        rewards: float[N].
        values: float[N], V(s_t).
        next_values: float[N], V(s_t+1); its value at terminated rows does not matter.
        terminated: bool[N].
        truncated: bool[N].
        offsets: int64[E + 1].
        gamma: discount, in [0, 1].
        lam: lambda in [0, 1]; 0: low variance, high bias; 1: high variance, no bias from the critic.

    Raises:
        SettingsError: gamma or lambda is out of range, lengths differ, or offsets do not run from 0 to N.
    """
    _check(gamma, lam, offsets, rewards, values, next_values, terminated, truncated)
    if _on_device(rewards):
        from rl_data.gae_torch import advantages_on_device

        return advantages_on_device(rewards, values, next_values, terminated, truncated, offsets, gamma, lam)
    r, v, n = _floats(rewards, values, next_values)
    te, tr, cuts = _flags(terminated), _flags(truncated), _rows(offsets)
    out = np.empty_like(r)
    number = r.dtype.type

    def work(part: NDArray[np.int64]) -> None:
        scan_advantages(r, v, n, te, tr, part, number(gamma), number(gamma * lam), out)

    _over_episodes(work, cuts)
    return _like(rewards, out)


def lambda_returns(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    offsets: Array,
    *,
    gamma: float,
    lam: float,
) -> Array:
    """Return the TD(lambda) targets of the critic, float[N]: advantages + values; see `advantages`."""
    found = advantages(rewards, values, next_values, terminated, truncated, offsets, gamma=gamma, lam=lam)
    return found + values


@dataclass(frozen=True, slots=True)
class Corrected:
    """Off-policy returns, and how much was clipped to get them.

    Attributes:
        returns: float[N], in the kind of the rewards: targets of the critic (V-trace: of V; Retrace: of Q).
        advantages: float[N]: V-trace: rho_t (r_t + gamma v_t+1 - V(s_t)); Retrace: returns - Q(s_t, a_t).
        clipped: share of rows, in [0, 1], whose ratio was above the clip: there the estimate is biased toward the
            behaviour policy.
    """

    returns: Any
    advantages: Any
    clipped: float


def vtrace(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    offsets: Array,
    ratios: Array,
    *,
    gamma: float,
    lam: float = 1.0,
    clip_rho: float = 1.0,
    clip_c: float = 1.0,
) -> Corrected:
    """Return V-trace targets (Espeholt et al., IMPALA, arXiv 1802.01561, equation 1; lambda as in its remark 2).

        rho_t = min(clip_rho, ratio_t);  c_t = lambda min(clip_c, ratio_t)
        v_t   = V(s_t) + sum_k>=t gamma^(k-t) (c_t .. c_k-1) rho_k delta_k

    The fixed point is the value of a policy between the behaviour and the target one, not of the target itself, unless
    clip_rho is at least the largest ratio; then lambda = 1 is per-decision importance sampling with control variates.

    Args:
        rewards: float[N].
        values: float[N], V(s_t).
        next_values: float[N], V(s_t+1); see `advantages`.
        terminated: bool[N].
        truncated: bool[N].
        offsets: int64[E + 1].
        ratios: float[N] >= 0, pi(a|s) / mu(a|s): target over behaviour.
        gamma: discount, in [0, 1].
        lam: lambda, in [0, 1].
        clip_rho: upper bound of rho; infinity does not clip.
        clip_c: upper bound of c; at most clip_rho.

    Raises:
        SettingsError: see `advantages`; or clip_c > clip_rho, or a bound is not above 0.
    """
    _check(gamma, lam, offsets, rewards, values, next_values, terminated, truncated, ratios)
    if not 0.0 < clip_c <= clip_rho:
        raise SettingsError(f"V-trace needs 0 < clip_c <= clip_rho, not clip_c={clip_c}, clip_rho={clip_rho}")
    r, v, n, ratio = _common(rewards, values, next_values, ratios)
    alive, goes_on = _masks(terminated, truncated, r)
    n = _where(alive > 0, n, 0.0)  # chosen, not multiplied by 0: it may be NaN there
    rho, c = ratio.clip(max=clip_rho), lam * ratio.clip(max=clip_c)
    corrections = _scan(rho * (r + gamma * n - v), gamma * c * goes_on, offsets)
    targets = v + corrections
    # v_t+1 where the episode goes on, V of what followed where it was cut
    ahead = _shifted(targets, offsets)
    following = _where(_inner(goes_on, offsets), ahead, n)
    return Corrected(targets, rho * (r + gamma * following - v), _share(ratio > clip_rho))


def retrace(
    rewards: Array,
    q_values: Array,
    next_expected_q: Array,
    terminated: Array,
    truncated: Array,
    offsets: Array,
    ratios: Array,
    *,
    gamma: float,
    lam: float = 1.0,
    clip: float = 1.0,
) -> Corrected:
    """Return Retrace(lambda) targets of Q (Munos et al., arXiv 1606.02647, equations 3 and 5).

        delta_t = r_t + gamma (1 - terminated_t) E_pi Q(s_t+1, .) - Q(s_t, a_t);  c_t = lambda min(clip, ratio_t)
        target  = Q(s_t, a_t) + sum_k>=t gamma^(k-t) (c_t+1 .. c_k) delta_k

    With clip = 1 it converges to Q^pi whatever the behaviour was; a larger clip uses more of each episode and has no
    such guarantee.

    Args:
        rewards: float[N].
        q_values: float[N], Q(s_t, a_t).
        next_expected_q: float[N], E_pi Q(s_t+1, .); at truncated rows that of the real final observation.
        terminated: bool[N].
        truncated: bool[N].
        offsets: int64[E + 1].
        ratios: float[N] >= 0, pi(a|s) / mu(a|s): target over behaviour.
        gamma: discount, in [0, 1].
        lam: lambda, in [0, 1].
        clip: upper bound of the ratio; infinity does not clip.

    Raises:
        SettingsError: see `advantages`; or clip is not above 0.
    """
    _check(gamma, lam, offsets, rewards, q_values, next_expected_q, terminated, truncated, ratios)
    if not clip > 0.0:
        raise SettingsError(f"Retrace needs clip > 0, not {clip}")
    r, q, n, ratio = _common(rewards, q_values, next_expected_q, ratios)
    alive, goes_on = _masks(terminated, truncated, r)
    n = _where(alive > 0, n, 0.0)
    next_c = _shifted(lam * ratio.clip(max=clip), offsets)
    corrections = _scan(r + gamma * n - q, gamma * next_c * goes_on, offsets)
    return Corrected(q + corrections, corrections, _share(ratio > clip))


def _scan(deltas: Any, factors: Any, offsets: Any) -> Any:
    """Return x_t = deltas_t + factors_t x_t+1 within each episode, in the kind of `deltas`."""
    if _on_device(deltas):
        from rl_data.gae_torch import scan_on_device

        return scan_on_device(deltas, factors, offsets)
    d, f = _floats(deltas, factors)
    out = np.empty_like(d)
    scan(d, f, _rows(offsets), out)
    return _like(deltas, out)


def _over_episodes(work: Callable[[NDArray[np.int64]], None], offsets: NDArray[np.int64]) -> None:
    """Call `work` with runs of episodes of about equal length, side by side where that pays."""
    rows = int(offsets[-1])
    parts = min(processors(), rows // _ROWS_A_THREAD, len(offsets) - 1)
    if parts < 2:
        work(offsets)
        return
    cuts = np.searchsorted(offsets, np.arange(1, parts) * (rows / parts))
    bounds = [0, *cuts.tolist(), len(offsets) - 1]
    waiting = [_threads(os.getpid()).submit(work, offsets[a : b + 1]) for a, b in pairwise(bounds[1:])]
    work(offsets[: bounds[1] + 1])
    for one in waiting:
        one.result()


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Return this process's threads; a fork has none of its parent's, so it gets its own."""
    return ThreadPoolExecutor(thread_name_prefix="gae")


def _check(gamma: float, lam: float, offsets: Any, *arrays: Any) -> None:
    for name, value in (("gamma", gamma), ("lambda", lam)):
        if not 0.0 <= value <= 1.0:
            raise SettingsError(f"{name} must be in [0, 1], not {value}")
    rows = len(arrays[0])
    lengths = [len(array) for array in arrays]
    if any(length != rows for length in lengths):
        raise SettingsError(f"all arrays must have one entry a transition; they have {lengths}")
    if (
        len(offsets) == 0
        or int(offsets[0]) != 0
        or int(offsets[-1]) != rows
        or bool((offsets[1:] < offsets[:-1]).any())
    ):
        raise SettingsError(f"offsets must run from 0 to {rows} and not decrease")


def _is_tensor(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "torch"


def _on_device(array: Any) -> bool:
    return _is_tensor(array) and array.device.type != "cpu"


def _numpy(array: Any) -> NDArray[Any]:
    """Return the array itself, without a copy; bfloat16, which NumPy does not have, in float32."""
    if not _is_tensor(array):
        return np.asarray(array)
    array = array.detach()
    return cast(NDArray[Any], (array.float() if str(array.dtype) == "torch.bfloat16" else array).numpy())


def _floats(*arrays: Any) -> list[NDArray[Any]]:
    """Return NumPy arrays of one float type, contiguous; what already is so is not copied."""
    found = [_numpy(array) for array in arrays]
    widest = np.result_type(np.float32, *found)
    return [np.ascontiguousarray(array, dtype=widest) for array in found]


def _flags(array: Any) -> NDArray[np.bool_]:
    return np.ascontiguousarray(_numpy(array), dtype=np.bool_)


def _rows(array: Any) -> NDArray[np.int64]:
    return np.ascontiguousarray(_numpy(array), dtype=np.int64)


def _like(example: Any, array: NDArray[Any]) -> Any:
    if not _is_tensor(example):
        return array
    import torch

    return torch.from_numpy(array)


def _common(*arrays: Any) -> list[Any]:
    """Return arrays of one float type, in the kind of the first."""
    if not _is_tensor(arrays[0]):
        return list(_floats(*arrays))
    import torch

    kind = torch.float64 if any(array.dtype == torch.float64 for array in arrays) else torch.float32
    return [array.detach().to(kind) for array in arrays]


def _masks(terminated: Any, truncated: Any, example: Any) -> tuple[Any, Any]:
    """Return 1 - terminated and 1 - (terminated or truncated), as floats of the example's kind."""
    if _is_tensor(example):
        return (~terminated.bool()).to(example.dtype), (~(terminated.bool() | truncated.bool())).to(example.dtype)
    te, tr = _flags(terminated), _flags(truncated)
    return (~te).astype(example.dtype), (~(te | tr)).astype(example.dtype)


def _shifted(array: Any, offsets: Any) -> Any:
    """Return array[t + 1] at t; 0 at the last row of each episode."""
    ahead = array.clone() if _is_tensor(array) else array.copy()
    ahead[:-1] = array[1:]
    ahead[_last(offsets)] = 0.0
    return ahead


def _inner(goes_on: Any, offsets: Any) -> Any:
    """Return where the next row belongs to the same stretch, bool[N]."""
    inner = goes_on > 0
    inner[_last(offsets)] = False
    return inner


def _last(offsets: Any) -> Any:
    """Return the last rows of the episodes that have rows."""
    return offsets[1:][offsets[1:] > offsets[:-1]] - 1


def _where(condition: Any, one: Any, other: Any) -> Any:
    if not _is_tensor(one):
        return np.where(condition, one, other)
    import torch

    return torch.where(condition, one, other)


def _share(flags: Any) -> float:
    return float(flags.sum()) / max(len(flags), 1)
