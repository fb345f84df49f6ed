"""Which offline learners a set of trajectories can feed, and why: rules on named numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

YES, CARE, NO = "yes", "with care", "no"
RANDOM = 0.8
"""Actions with at least this randomness look drawn without regard to the observation."""
NARROW = 0.15
"""Actions with less randomness than this are nearly a function of the observation."""
CONTRAST = 0.05
"""Returns that differ by less than this share are all alike: no episode is a failure."""
GOOD = 0.75
"""A mean return in this part of the span between worst and best is good enough to be cloned."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at.

    Attributes:
        discrete: whether actions are choices.
        rewards: whether there are any.
        zero: every reward is 0.
        constant: every reward is the same.
        reward: that reward.
        terminated: share of episodes that terminated; None when the source cannot say.
        contrast: how unlike the returns are, 0 to 1 and above.
        quality: where the mean return lies between the worst (0) and the best (1); None without a contrast.
        randomness: of the actions given the observation, 0 to 1; None when it could not be estimated.
        cut: share of truncated episodes whose final observation is lost; None without truncated episodes.
    """

    discrete: bool
    rewards: bool
    zero: bool
    constant: bool
    reward: float
    terminated: float | None
    contrast: float
    quality: float | None
    randomness: float | None
    cut: float | None

    @property
    def alike(self) -> bool:
        """Whether all returns are practically equal."""
        return self.contrast < CONTRAST

    @property
    def signal(self) -> bool:
        """Whether rewards or ends tell a good action from a bad one.

        With a constant reward only the end of an episode does, and only where it is known to be a termination.
        """
        return not self.zero and (not self.constant or bool(self.terminated))

    @property
    def failures(self) -> bool:
        """Whether the data show what goes wrong: terminations, or returns that differ."""
        return self.signal and (bool(self.terminated) or not self.alike)


@dataclass(frozen=True, slots=True)
class Suitability:
    """Whether the data can feed a learner: `verdict` is yes, with care or no."""

    learner: str
    verdict: str
    reason: str


def suitability(e: Evidence) -> tuple[Suitability, ...]:
    """Return the verdict for each learner that fits the kind of actions."""
    rules: dict[str, Callable[[Evidence], tuple[str, str]]] = {"BC": _cloning}
    if e.discrete:
        rules |= {"DQN": _dqn, "CQL": _pessimistic, "IQL": _in_sample, "offline PPO": _offline_ppo}
    else:
        rules |= {"TD3+BC": _td3_bc, "CQL": _pessimistic, "IQL": _in_sample, "offline PPO": _offline_ppo}
    return tuple(Suitability(name, *rule(e)) for name, rule in rules.items())


def _cloning(e: Evidence) -> tuple[str, str]:
    if e.randomness is not None and e.randomness >= RANDOM:
        return NO, f"actions look random given the observation (randomness {e.randomness:.2f}), and are cloned as such"
    if not e.rewards:
        return YES, "it needs no reward; whether the demonstrations are good, nothing in the data says"
    if e.zero or e.quality is None or e.alike:
        return (CARE, "rewards do not say whether the behaviour is good") if e.zero else (YES, "all episodes are alike")
    if e.quality >= GOOD:
        return YES, f"the mean return is {e.quality:.0%} of the way from the worst to the best"
    return CARE, f"it copies the average, {e.quality:.0%} of the way from the worst return to the best"


def _blocked(e: Evidence) -> tuple[str, str] | None:
    """Return why no learner of value can use the data; None where one can."""
    if not e.rewards:
        return NO, "there are no rewards"
    if e.zero:
        return NO, "every reward is 0"
    return None


def _dqn(e: Evidence) -> tuple[str, str]:
    blocked = _blocked(e)
    if blocked is not None:
        return blocked
    if not e.failures:
        return NO, f"{_why_no_failures(e)}: the maximum over actions outside the data is never corrected"
    cautions = list(_cautions(e))
    if e.randomness is not None and e.randomness < NARROW:
        cautions.insert(0, f"one action a state (randomness {e.randomness:.2f}): values of the others are guesses")
    return (CARE, "; ".join(cautions)) if cautions else (YES, "failures, ends and varied actions are in the data")


def _pessimistic(e: Evidence) -> tuple[str, str]:
    blocked = _blocked(e)
    if blocked is not None:
        return blocked
    if not e.failures:
        return CARE, f"{_why_no_failures(e)}: it can only stay near the data"
    cautions = list(_cautions(e))
    return (CARE, "; ".join(cautions)) if cautions else (YES, "rewards and ends tell actions apart")


def _in_sample(e: Evidence) -> tuple[str, str]:
    verdict, reason = _pessimistic(e)
    if verdict == YES and e.quality is not None and e.quality >= GOOD and not e.alike and (e.randomness or 1) < NARROW:
        return CARE, "narrow data of high return: cloning is expected to do as well"
    return verdict, reason


def _td3_bc(e: Evidence) -> tuple[str, str]:
    verdict, reason = _pessimistic(e)
    if verdict != NO and e.randomness is not None and e.randomness >= RANDOM:
        words = f"actions look random (randomness {e.randomness:.2f}): the weight of Q (alpha) must be far above 2.5"
        return CARE, words if verdict == YES else f"{words}; {reason}"
    return verdict, reason


def _offline_ppo(e: Evidence) -> tuple[str, str]:
    verdict, reason = _pessimistic(e)
    if verdict == NO:
        return verdict, reason
    if e.randomness is not None and e.randomness >= RANDOM:
        return CARE, "it starts from a clone of actions that look random"
    return (CARE, reason) if verdict == CARE else (CARE, "its steps must be accepted by an evaluation without rollouts")


def _cautions(e: Evidence) -> Iterator[str]:
    if e.terminated is None:
        yield "the source does not say which episodes terminated: values are bootstrapped past their ends"
    if e.cut:
        yield f"{e.cut:.0%} of the truncated episodes lack the final observation: their last step is lost"


def _why_no_failures(e: Evidence) -> str:
    if e.constant and e.terminated is None:
        return f"every reward is {e.reward:g} and the source does not say which episodes terminated"
    if e.constant:
        return f"every reward is {e.reward:g} and no episode terminates"
    return "no episode terminates, and all returns are alike"
