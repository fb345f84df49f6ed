"""All estimators for one policy and one data set, each with its interval, or with the reasons why not.

1. Split the episodes into folds.
2. Take the behaviour's log-probabilities from the data, or estimate them and check their calibration.
3. Fit the critics of the policy: for each fold, on bootstrap resamples of the other folds.
4. Per held-out episode: GAE(lambda) with ratios around its critics; FQE; WIS, PDIS, doubly robust.
5. Intervals from the spread of the episodes and that of the critics.
6. Publish effective sample size, share clipped, out-of-distribution share, start values against logged returns.
7. Refuse a number where these say so; rank, or say nothing.

What is estimated is the discounted return in the task itself, without the recording's time limit: critics look past the
end of an episode that was cut. WIS and PDIS see logged steps only; where what is missing is not small, they only rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rl_data.errors import SettingsError
from rl_data.evaluation import importance
from rl_data.evaluation.behaviour import Behaviour, behaviour
from rl_data.evaluation.bootstrap import critics_interval, mean_interval, percentiles, resamples
from rl_data.evaluation.coverage import out_of_distribution
from rl_data.evaluation.evaluation import Evaluation, Interval, Trust
from rl_data.evaluation.fitting import fitted
from rl_data.evaluation.fqe import FQEConfig, Values, bounds, fit
from rl_data.evaluation.gae_returns import episode_returns, fold_weights, held_out
from rl_data.evaluation.logged import Logged, logged
from rl_data.policies import Policy
from rl_data.trajectories import Trajectories

Floats = NDArray[np.float64]
CURVE = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Settings. The limits are ours: no source gives a pass mark (see `docs/learning.md`).

    Attributes:
        gamma: discount, in [0, 1).
        lam: lambda of the GAE-based return.
        clip_rho, clip_c: bounds of the ratios; 1 is IMPALA's. A larger clip_rho leans less toward the behaviour.
        folds: of the cross-fit.
        refits: critics for each fold, each on its own bootstrap resample of the episodes.
        replicates: bootstrap resamples of the intervals of WIS and PDIS.
        level: of the intervals.
        least_ess: fewer effective episodes than that, and numbers are refused: the critic's too, since nothing then
            shows whether it is right.
        most_weight_error: if the mean weight of whole episodes, which is 1 if they were enough, is off by more, what is
            missing are rare episodes with large weights, and importance-weighted numbers are refused.
        most_missing_tail: WIS and PDIS see nothing of what follows a cut, which is gamma^T of the discounted future; if
            that is more on average over the episodes, their numbers are refused.
        most_out_of_distribution: a larger share of untried actions, and numbers of the critic are refused; 0.05 is what
            the data themselves have.
        most_calibration_error: of an estimated behaviour policy, beyond which ratios are refused.
        behaviour_steps: gradient updates of an estimated behaviour policy.
        fqe: settings of the critics.
        seed: of all that is drawn.

    Raises:
        SettingsError: a value is out of range.
    """

    gamma: float = 0.99
    lam: float = 0.95
    clip_rho: float = 5.0
    clip_c: float = 1.0
    folds: int = 2
    refits: int = 5
    replicates: int = 2_000
    level: float = 0.95
    least_ess: float = 10.0
    most_weight_error: float = 0.25
    most_missing_tail: float = 0.02
    most_out_of_distribution: float = 0.20
    most_calibration_error: float = 0.10
    behaviour_steps: int = 2_000
    fqe: FQEConfig = field(default_factory=FQEConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0.0 <= self.gamma < 1.0 or not 0.0 <= self.lam <= 1.0:
            raise SettingsError(f"gamma must be in [0, 1) and lam in [0, 1], not {self.gamma} and {self.lam}")
        if not 0.0 < self.clip_c <= self.clip_rho:
            raise SettingsError(f"0 < clip_c <= clip_rho is needed, not {self.clip_c} and {self.clip_rho}")
        if self.folds < 2 or self.refits < 1 or self.replicates < 100:
            raise SettingsError("folds must be at least 2, refits at least 1, replicates at least 100")
        if not 0.0 < self.level < 1.0:
            raise SettingsError(f"level must be in (0, 1), not {self.level}")


@dataclass(frozen=True, slots=True)
class PolicyEvaluation:
    """All that was found out about one policy.

    Attributes:
        gae: the headline: GAE(lambda) with ratios.
        fqe: the critic alone (the direct method).
        wis: weighted importance sampling.
        pdis: per-decision importance sampling.
        dr: doubly robust.
        plain: GAE(lambda) without ratios: what is left if one forgets them. For comparison only.
        curve: GAE by lambda: bias falls and variance grows from 0 to 1.
        behaviour_estimated: whether the behaviour policy was estimated.
        behaviour_return: Evaluation of the logged returns themselves, discounted, as far as they were recorded.
        diagnostics: shared by all, by name.
        notes: what was left out of the data or looks wrong, in words.
    """

    gae: Evaluation
    fqe: Evaluation
    wis: Evaluation
    pdis: Evaluation
    dr: Evaluation
    plain: Evaluation
    curve: tuple[Evaluation, ...]
    behaviour_estimated: bool
    behaviour_return: Evaluation
    diagnostics: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> Evaluation:
        """GAE where there are ratios, else the critic alone."""
        return self.gae if self.gae.trust is not Trust.NOTHING else self.fqe

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        names = ("gae", "fqe", "wis", "pdis", "dr", "plain", "behaviour_return")
        found: dict[str, Any] = {name: getattr(self, name).to_json() for name in names}
        found["headline"] = self.headline.method
        found["curve"] = [point.to_json() for point in self.curve]
        found["behaviour_estimated"] = self.behaviour_estimated
        found["notes"] = list(self.notes)
        found["diagnostics"] = {name: value for name, value in self.diagnostics.items() if math.isfinite(value)}
        return found


def evaluate(
    trajectories: Trajectories, policy: Policy, config: EvaluationConfig | None = None, *, ends: str | None = None
) -> PolicyEvaluation:
    """Return what the logged episodes say about the policy's return.

    The episodes should not be those that the policy was learned from: its critic would believe the same errors.

    Args:
        trajectories: held-out episodes, with rewards.
        policy: on the CPU; it is not changed.
        config: settings.
        ends: what an episode's end means where the data cannot tell; see `rl_data.transitions.transitions`.

    Raises:
        DataError: the data cannot be evaluated on.
        SettingsError: the policy was made for observations or actions of another size or kind.
    """
    config = config or EvaluationConfig()
    data = logged(trajectories, ends=ends)
    policy, problem, notes = fitted(policy, data.rows)
    data = replace(data, rows=replace(data.rows, problem=problem, notes=(*data.rows.notes, *notes)))
    draws = np.random.default_rng(config.seed)
    folds = min(config.folds, data.episodes // 2)
    fold_of_episode = draws.permutation(np.arange(data.episodes) % folds)
    resampled = np.ones((1, data.episodes))
    if config.refits > 1:
        resampled = resamples(data.episodes, config.refits, draws)
    weights = fold_weights(fold_of_episode, folds, resampled)[:, data.episode_of_stretch]
    values = fit(data.rows, policy, torch.from_numpy(weights), gamma=config.gamma, config=config.fqe)
    known = behaviour(data, fold_of_episode, steps=config.behaviour_steps, seed=config.seed)
    fold_of_stretch = fold_of_episode[data.episode_of_stretch]
    return _Estimators(data, values, fold_of_stretch, folds, known, policy.deterministic, config).all(policy)


def ratios_of(data: Logged, policy: Policy, known: Behaviour) -> Floats | None:
    """Return pi / mu of the logged actions, float64[N]; None where the policy has no density."""
    if policy.discrete:
        rows = policy.probabilities(data.rows.observations).double()
        target = rows.gather(1, data.rows.actions.unsqueeze(1)).squeeze(1).numpy()
        return np.asarray(target * np.exp(np.minimum(-known.log_prob, 50.0)))
    if policy.deterministic:
        return None
    log_prob = policy.log_prob(data.rows.observations, data.rows.actions).double().numpy()
    return np.asarray(np.exp(np.clip(log_prob - known.log_prob, -50.0, 50.0)))


@dataclass(frozen=True, slots=True)
class _Estimators:
    """The pieces that all estimators share."""

    data: Logged
    values: Values
    fold_of_stretch: NDArray[np.int64]
    folds: int
    known: Behaviour
    greedy: bool
    config: EvaluationConfig

    def all(self, policy: Policy) -> PolicyEvaluation:
        config, data = self.config, self.data
        ratios = ratios_of(data, policy, self.known)
        start_values = self._by_critic(self.values.v.numpy()[:, data.offsets[:-1]])
        logged_returns = self._logged_returns()
        tails = data.missing_tails(config.gamma)
        shared = {
            "episodes": float(len(data.starts)),
            "missing_tail": float(tails.mean()),
            "out_of_distribution": out_of_distribution(data.rows, policy, seed=config.seed),
            "start_value_low": float(start_values.mean(0).min()),
            "start_value_high": float(start_values.mean(0).max()),
            "logged_return_low": float(logged_returns.min()),
            "logged_return_high": float(logged_returns.max()),
            "behaviour_nll": self.known.nll,
            "calibration_error": self.known.calibration_error,
        }
        if ratios is not None:
            shared["ess"] = importance.effective_sample_size(self._weights(ratios))
        critic_reasons = self._critic_reasons(shared, float(start_values.mean()), self._possible(logged_returns, tails))
        curve = tuple(self.gae(ratios, lam, shared, critic_reasons) for lam in CURVE)
        return PolicyEvaluation(
            gae=self.gae(ratios, config.lam, shared, critic_reasons),
            fqe=self._from_critics("fqe", start_values, critic_reasons, {}, {}),
            **self._importance(ratios, shared, critic_reasons),
            plain=self._plain(),
            curve=curve,
            behaviour_estimated=self.known.estimated,
            behaviour_return=Evaluation(
                "logged", float(logged_returns.mean()), mean_interval(logged_returns, self._draws()), config.gamma
            ),
            diagnostics=shared,
            notes=data.rows.notes,
        )

    def _by_critic(self, by_member: Floats) -> Floats:
        """Return the value of each episode by the critics that did not see it, float64[R, E], of float64[M, S]."""
        return held_out(by_member, self.fold_of_stretch, self.folds)[:, self.data.starts]

    def _weights(self, ratios: Floats, horizon: int | None = None) -> Floats:
        """Return the product of the ratios of each episode, float64[E]."""
        return importance.episode_weights(ratios, self.data.offsets, horizon)[self.data.starts]

    def _logged_returns(self) -> Floats:
        """Return the discounted return of each episode as far as it was recorded, float64[E]."""
        offsets = self.data.offsets
        discounted = self.data.rewards * importance.discounts(offsets, self.config.gamma)
        return importance.episode_sums(discounted, offsets)[self.data.starts]

    def _possible(self, logged_returns: Floats, tails: Floats) -> tuple[float, float]:
        """Return the least and the largest return that the episodes can have had, whatever followed where cut."""
        low, high = bounds(self.data.rows, self.config.gamma)
        return float((logged_returns + tails * low).min()), float((logged_returns + tails * high).max())

    def gae(
        self, ratios: Floats | None, lam: float, shared: Mapping[str, float], critic_reasons: tuple[str, ...]
    ) -> Evaluation:
        """GAE(lambda) with ratios."""
        config = self.config
        settings = {"lam": lam, "clip_rho": config.clip_rho, "clip_c": config.clip_c}
        if ratios is None:
            return _nothing("gae", config.gamma, NO_DENSITY, settings)
        by_member = episode_returns(
            self.data, ratios, self.values, gamma=config.gamma, lam=lam, clip_rho=config.clip_rho, clip_c=config.clip_c
        )
        used = np.minimum(ratios, config.clip_c)
        horizon = math.ceil(1.0 / max(1.0 - config.gamma * lam, 1e-3))
        ahead = importance.effective_sample_size(self._weights(used, horizon))
        diagnostics = {
            "ess": shared["ess"],
            "ess_within_horizon": ahead,
            "horizon": float(horizon),
            "clipped_rho": float((ratios > config.clip_rho).mean()),
            "clipped_c": float((ratios > config.clip_c).mean()),
            "mean_ratio": float(ratios.mean()),
        }
        reasons = [*critic_reasons, *self.known.reasons(config.most_calibration_error)]
        return self._from_critics("gae", self._by_critic(by_member), tuple(reasons), settings, diagnostics)

    def _plain(self) -> Evaluation:
        ones = np.ones(self.data.rows.rows)
        by_member = episode_returns(
            self.data, ones, self.values, gamma=self.config.gamma, lam=self.config.lam, baseline="v"
        )
        reason = "without ratios it tells the return of whoever recorded the data, not of the policy"
        return self._from_critics("plain", self._by_critic(by_member), (reason,), {"lam": self.config.lam}, {})

    def _importance(
        self, ratios: Floats | None, shared: Mapping[str, float], critic_reasons: tuple[str, ...]
    ) -> dict[str, Evaluation]:
        config, data = self.config, self.data
        if ratios is None:
            return {name: _nothing(name, config.gamma, NO_DENSITY, {}) for name in ("wis", "pdis", "dr")}
        weights, ess = self._weights(ratios), shared["ess"]
        mean_weight = float(weights.mean())
        diagnostics = {
            "ess": ess,
            "mean_weight": mean_weight,
            "largest_share": float(weights.max() / max(weights.sum(), 1e-300)),
        }
        reasons = list(self.known.reasons(config.most_calibration_error))
        if abs(mean_weight - 1.0) > config.most_weight_error:
            reasons.append(
                f"the episodes' weights are {mean_weight:.3g} on average, which should be 1: episodes that the policy "
                "would see are missing"
            )
        if ess < config.least_ess:
            reasons.append(self._few(ess))
        # beyond a cut WIS and PDIS see nothing, and doubly robust has the critic's word only
        cut = shared["missing_tail"] > config.most_missing_tail
        seen = (*reasons, _missing(shared["missing_tail"], config.most_missing_tail)) if cut else tuple(reasons)
        trusted = (*reasons, *(reason for reason in critic_reasons if reason not in reasons)) if cut else tuple(reasons)
        drawn = resamples(len(weights), config.replicates, self._draws())
        scaled = weights / max(weights.max(), 1e-300)
        totals = drawn @ scaled
        returns = self._logged_returns()
        replicates = (drawn @ (scaled * returns))[totals > 0] / totals[totals > 0]
        wis = Evaluation(
            "wis",
            importance.weighted_mean(weights, returns),
            percentiles(replicates, config.level) if len(replicates) else None,
            config.gamma,
            _trust(ess, seen),
            seen,
            {},
            diagnostics,
        )
        per_decision = importance.per_decision(data.rewards, ratios, data.offsets, gamma=config.gamma)[data.starts]
        by_member = episode_returns(data, ratios, self.values, gamma=config.gamma, lam=1.0)
        robust = self._by_critic(by_member)
        interval = percentiles(drawn @ per_decision / len(weights), config.level)

        def told(name: str, values: Floats, interval: Interval, reasons: tuple[str, ...]) -> Evaluation:
            trust = _trust(ess, reasons)
            return Evaluation(name, float(values.mean()), interval, config.gamma, trust, reasons, {}, diagnostics)

        return {
            "wis": wis,
            "pdis": told("pdis", per_decision, interval, seen),
            "dr": told("dr", robust, critics_interval(robust, level=config.level), trusted),
        }

    def _critic_reasons(
        self, shared: Mapping[str, float], value: float, possible: tuple[float, float]
    ) -> tuple[str, ...]:
        found = []
        share, limit = shared["out_of_distribution"], self.config.most_out_of_distribution
        if share > limit:
            found.append(
                f"{share:.0%} of the policy's actions are unlike any in the data (limit {limit:.0%}, the data's own 5%)"
            )
        low, high = possible
        if not low <= value <= high:
            found.append(
                f"the critic's value {value:.4g} lies outside of all logged returns ({low:.4g} to {high:.4g}): it is "
                "extrapolated"
            )
        if "ess" not in shared:
            found.append(NO_OVERLAP)
        elif shared["ess"] < self.config.least_ess:
            found.append(self._few(shared["ess"]))
        return tuple(found)

    def _from_critics(
        self,
        method: str,
        by_critic: Floats,
        reasons: tuple[str, ...],
        settings: Mapping[str, float],
        diagnostics: Mapping[str, float],
    ) -> Evaluation:
        estimate = float(by_critic.mean())
        interval = critics_interval(by_critic, level=self.config.level)
        low, high = bounds(self.data.rows, self.config.gamma)
        interval = Interval(max(interval.low, low), min(interval.high, high), interval.level)
        diagnostics = {
            **diagnostics,
            "critic_std": float(by_critic.mean(1).std()),
            "std": float(by_critic.mean(0).std()),
        }
        trust = Trust.RANK if reasons else Trust.NUMBER
        if not math.isfinite(estimate):
            trust, reasons = Trust.NOTHING, (*reasons, "the estimate is not finite")
        return Evaluation(method, estimate, interval, self.config.gamma, trust, reasons, settings, diagnostics)

    def _few(self, ess: float) -> str:
        said = f"the logged episodes count as {ess:.1f} episodes of the policy (limit {self.config.least_ess:g})"
        return said + ("; it always takes one action: evaluate a softened one (--soften 0.1)" if self.greedy else "")

    def _draws(self) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, 1])


NO_DENSITY = (
    "the policy is deterministic with continuous actions, so that it has no importance ratios; evaluate a softened one "
    "(--soften 0.1)"
)
NO_OVERLAP = (
    "the policy is deterministic with continuous actions, so that nothing tells how many episodes of the policy the "
    "logged ones count as, and whether its critic is right; evaluate a softened one (--soften 0.1)"
)


def _nothing(method: str, gamma: float, reason: str, settings: Mapping[str, float]) -> Evaluation:
    return Evaluation(method, float("nan"), None, gamma, Trust.NOTHING, (reason,), settings)


def _trust(ess: float, reasons: tuple[str, ...]) -> Trust:
    if ess == 0.0:
        return Trust.NOTHING
    return Trust.RANK if reasons else Trust.NUMBER


def _missing(tail: float, limit: float) -> str:
    return (
        f"{tail:.0%} of the discounted future lies beyond where the episodes were cut (limit {limit:.0%}), which "
        "logged steps alone do not show; FQE and GAE look past it"
    )
