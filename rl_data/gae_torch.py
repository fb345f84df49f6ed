"""The scans of `rl_data.gae` on an accelerator: log2(longest episode) passes over all rows, by doubling.

After k passes each row holds the sum over its next 2^k rows; a pass adds the sum that begins where its own ends
(Hillis and Steele, Data parallel algorithms, 1986). There is one wait for the device, for the longest episode.
"""

from __future__ import annotations

import torch
from torch import Tensor


def advantages_on_device(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    offsets: Tensor,
    gamma: float,
    lam: float,
) -> Tensor:
    """Return advantages, float[N], on the device of the rewards; see `rl_data.gae.advantages`."""
    kind = torch.float64 if torch.float64 in (rewards.dtype, values.dtype, next_values.dtype) else torch.float32
    r, v, n = (array.detach().to(kind) for array in (rewards, values, next_values))
    te, tr = terminated.bool(), truncated.bool()
    delta = r + torch.where(te, 0.0, gamma * n) - v
    return scan_on_device(delta, (~(te | tr)).to(kind) * (gamma * lam), offsets)


def scan_on_device(deltas: Tensor, factors: Tensor, offsets: Tensor) -> Tensor:
    """Return x_t = deltas_t + factors_t x_t+1, float[N], where nothing follows the last row of an episode.

    Where the factor is 0 nothing enters from later rows, not even NaN.
    """
    offsets = offsets.to(deltas.device)
    lengths = offsets.diff()
    if not len(deltas):
        return deltas.clone()
    x, c = deltas.clone(), factors.clone()
    c[offsets[1:][lengths > 0] - 1] = 0.0
    longest = int(lengths.max())
    step = 1
    while step < longest:
        ahead = torch.where(c[:-step] == 0.0, 0.0, c[:-step] * x[step:])  # chosen: 0 times NaN would be NaN
        x = torch.cat([x[:-step] + ahead, x[-step:]])
        c = torch.cat([c[:-step] * c[step:], torch.zeros_like(c[-step:])])
        step *= 2
    return x
