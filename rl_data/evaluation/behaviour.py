"""The behaviour policy: its log-probabilities as recorded, or estimated by cloning it, with a calibration check.

Estimated ones are cross-fitted: each row's comes from a network that did not see its episode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rl_data.evaluation.logged import Logged
from rl_data.networks import Architecture, Ensemble, Scaler
from rl_data.policies import gaussian_log_prob

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Log-probabilities of the logged actions.

    Attributes:
        log_prob: float64[N]
        estimated: whether they were estimated; else they are the data's own.
        nll: mean of -log_prob, in nats, on held-out rows where estimated.
        marginal_nll: the same for a model that ignores the observations; NaN where not estimated.
        calibration_error: choices: expected calibration error, the mean difference between the stated probability of
            the likeliest action and how often it was taken (Guo et al. 2017, eq. 5; 15 bins); vectors: the largest
            distance between the distribution of the actions' stated quantiles and the uniform one
            (Kolmogorov-Smirnov). In [0, 1]; 0 where not estimated.
    """

    log_prob: Floats
    estimated: bool
    nll: float
    marginal_nll: float = float("nan")
    calibration_error: float = 0.0

    def reasons(self, calibration_limit: float) -> tuple[str, ...]:
        """Return why ratios from it are not to be trusted, one sentence each."""
        if not self.estimated:
            return ()
        found = []
        if self.nll > self.marginal_nll + 0.02:
            found.append(
                f"the estimated behaviour policy predicts held-out actions worse ({self.nll:.3f} nats) than ignoring "
                f"the observations does ({self.marginal_nll:.3f})"
            )
        if self.calibration_error > calibration_limit:
            found.append(
                f"the estimated behaviour policy is badly calibrated: error {self.calibration_error:.3f}, limit "
                f"{calibration_limit:g}"
            )
        return tuple(found)


def behaviour(
    logged: Logged, fold_of_episode: NDArray[np.int64], *, steps: int = 2_000, batch: int = 512, seed: int = 0
) -> Behaviour:
    """Return the recorded log-probabilities, or estimate them.

    Args:
        logged: the episodes.
        fold_of_episode: int64[E]: the folds of the cross-fit.
        steps: gradient updates.
        batch: rows an update.
        seed: of weights and batches.
    """
    if logged.log_prob is not None:
        return Behaviour(logged.log_prob, False, float(-logged.log_prob.mean()))
    return clone(logged, fold_of_episode, steps=steps, batch=batch, seed=seed)


def clone(
    logged: Logged, fold_of_episode: NDArray[np.int64], *, steps: int = 2_000, batch: int = 512, seed: int = 0
) -> Behaviour:
    """Estimate them by maximum likelihood: a softmax over choices, a Gaussian over vectors; see `behaviour`."""
    rows, problem = logged.rows, logged.rows.problem
    folds = int(fold_of_episode.max()) + 1
    fold_of_row = torch.from_numpy(fold_of_episode[logged.episode_of_row])
    generator = torch.Generator().manual_seed(seed)
    outputs = problem.action_size * (1 if problem.discrete else 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Ensemble(folds, problem.observation_size, outputs, Architecture(width=64))
    scaler, action_scaler = Scaler(problem.observation_size), Scaler(0 if problem.discrete else problem.action_size)
    scaler.fit(rows.observations)
    actions = rows.actions
    if not problem.discrete:
        action_scaler.fit(rows.actions)
        actions = action_scaler(rows.actions)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * max(0.02, 1.0 - step / steps)
        places = torch.randint(rows.rows, (batch,), generator=generator)
        log_prob = _log_prob(network(scaler(rows.observations[places])), actions[places], problem.discrete)
        used = (fold_of_row[places][None, :] != torch.arange(folds)[:, None]).float()
        loss = -(log_prob * used).mean(1).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    with torch.no_grad():
        everything = network(scaler(rows.observations))
        outputs_of_row = everything[fold_of_row, torch.arange(rows.rows)]
    if problem.discrete:
        return _choices(outputs_of_row, actions)
    return _vectors(outputs_of_row, actions, action_scaler.std)


def _choices(logits: Tensor, actions: Tensor) -> Behaviour:
    """Scale the logits by the one temperature that is likeliest on the held-out rows (Guo et al. 2017, section 4.2)."""
    rows = torch.arange(len(actions))
    temperatures = torch.logspace(-1, 1, 41)
    losses = [-(logits / t).log_softmax(1)[rows, actions].mean() for t in temperatures]
    log_probs = (logits / temperatures[int(torch.stack(losses).argmin())]).log_softmax(1).double()
    shares = torch.bincount(actions, minlength=logits.shape[1]).double() / len(actions)
    marginal = float(-(shares * torch.log(shares.clamp(min=1e-12))).sum())
    chosen = log_probs[rows, actions]
    return Behaviour(
        chosen.numpy(),
        True,
        float(-chosen.mean()),
        marginal,
        calibration_error(log_probs.exp().numpy(), actions.numpy()),
    )


def _vectors(outputs: Tensor, actions: Tensor, scale: Tensor) -> Behaviour:
    """Put the density into the units of the actions, and look at the quantiles of the logged ones."""
    mean, log_std = outputs.double().chunk(2, dim=1)
    log_std = log_std.clamp(-5.0, 2.0)
    units = float(scale.double().log().sum())
    log_prob = gaussian_log_prob(actions.double(), mean, log_std) - units
    size = actions.shape[1]
    marginal = 0.5 * size * (1.0 + math.log(2.0 * math.pi)) + units  # standardised actions have variance 1
    quantiles = (0.5 * (1.0 + torch.erf((actions - mean) / (math.sqrt(2.0) * log_std.exp())))).sort(dim=0).values
    places = (torch.arange(len(actions)).double().unsqueeze(1) + 0.5) / len(actions)
    distance = float((quantiles - places).abs().max())
    return Behaviour(log_prob.numpy(), True, float(-log_prob.mean()), marginal, distance)


def calibration_error(probabilities: Floats, actions: NDArray[np.int64], bins: int = 15) -> float:
    """Return the expected calibration error of float64[N, A] against the actions taken, int64[N]."""
    stated, right = probabilities.max(1), probabilities.argmax(1) == actions
    which = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = np.bincount(which, right.astype(float) - stated, minlength=bins)
    return float(np.abs(gaps).sum() / len(actions))


def _log_prob(outputs: Tensor, actions: Tensor, discrete: bool) -> Tensor:
    """Return float[M, B] for the outputs float[M, B, O] of M networks."""
    if discrete:
        return outputs.log_softmax(2).gather(2, actions.expand(len(outputs), -1).unsqueeze(2)).squeeze(2)
    mean, log_std = outputs.chunk(2, dim=2)
    flat = gaussian_log_prob(
        actions.expand_as(mean).flatten(0, 1), mean.flatten(0, 1), log_std.clamp(-5.0, 2.0).flatten(0, 1)
    )
    return flat.view(outputs.shape[:2])
