"""Search for a learner's settings by optuna, selected offline.

By FQE or the GAE-based value, without an environment (Paine et al., arXiv 2007.09055). The episodes that select are
held out from those that learn.

The search is kept in a database in the run's folder; the same command goes on where it stopped. Each trial's draws
depend on the seed and the trial's number alone, so that an interrupted search ends as an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_data.errors import SettingsError
from rl_data.outputs import check_folder
from rl_data.trajectories import Trajectories


@dataclass(frozen=True, slots=True)
class Range:
    """What a setting may be.

    Attributes:
        low: least value.
        high: largest value.
        log: whether orders of magnitude are equally likely.
    """

    low: float
    high: float
    log: bool = False


Choice = tuple[Any, ...]

RANGES: Mapping[str, Mapping[str, Range | Choice]] = {
    "bc": {"learning_rate": Range(1e-4, 3e-3, log=True)},
    "dqn": {
        "learning_rate": Range(1e-4, 3e-3, log=True),
        "gamma": (0.95, 0.97, 0.98, 0.99),
    },
    "cql": {
        "learning_rate": Range(1e-4, 3e-3, log=True),
        "gamma": (0.95, 0.97, 0.98, 0.99),
        "alpha": Range(0.1, 10.0, log=True),
    },
    "iql": {
        "learning_rate": Range(1e-4, 3e-3, log=True),
        "gamma": (0.95, 0.97, 0.99),
        "expectile": (0.5, 0.7, 0.8, 0.9),
        "temperature": Range(0.5, 10.0, log=True),
    },
    "td3_bc": {
        "learning_rate": Range(1e-4, 1e-3, log=True),
        "gamma": (0.95, 0.97, 0.99),
        "alpha": Range(1.0, 300.0, log=True),
    },
    "ppo": {
        "learning_rate": Range(3e-5, 1e-3, log=True),
        "gamma": (0.95, 0.97, 0.99),
        "clip": (0.1, 0.2, 0.25, 0.3),
    },
}
"""The field's usual ranges by learner (`rl-baselines3-zoo`, CORL, d3rlpy); a setting that a learner does not have is an
error at the first trial."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of settings that was tried.

    Attributes:
        number: from 0.
        settings: of the learner, by name.
        value: the estimated return; NaN where nothing could be estimated or training diverged.
        reason: why there is no value, or why it is for ranking only.
    """

    number: int
    settings: Mapping[str, Any]
    value: float
    reason: str = ""


def tune(
    data: Trajectories,
    learner: str,
    folder: Path,
    *,
    trials: int = 20,
    steps: int = 5_000,
    criterion: str = "fqe",
    gamma: float = 0.99,
    held_out: float = 0.3,
    seed: int = 0,
    ranges: Mapping[str, Range | Choice] | None = None,
    fixed: Mapping[str, Any] | None = None,
    ends: str | None = None,
    report: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Try settings until there are `trials` of them in all; return them, the best first.

    Args:
        data: to learn and to select from; its episodes are split.
        learner: see `rl_data.learners.LEARNERS`.
        folder: keeps the search in `tune.db`.
        trials: in all, those of earlier calls included.
        steps: updates of each training.
        criterion: "fqe" or "gae".
        gamma: discount of the return that selects: the same for all trials, whatever the learner's own.
        held_out: share of the episodes that select.
        seed: of the split and of all trials.
        ranges: what to search, in place of `RANGES`.
        fixed: settings of the learner that are the same in all trials.
        ends: what an episode's end means where the data cannot tell.
        report: gets each trial when it is done.

    Raises:
        SettingsError: a name or number makes no sense, or the folder has another search.
        DataError: the data cannot be learned from or evaluated on.
    """
    import optuna

    wanted = _ranges(learner, ranges)
    if criterion not in ("fqe", "gae") or trials < 1 or not 0.0 < held_out < 1.0:
        raise SettingsError("criterion must be fqe or gae, trials at least 1, held_out in (0, 1)")
    check_folder(folder)
    learning, selecting = split(data, held_out, seed)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    from rl_data.formats.canonical_metadata import fingerprint

    described = {"learner": learner, "criterion": criterion, "gamma": gamma, "steps": steps, "seed": seed}
    described |= {"data": fingerprint(data), "ranges": repr(sorted(wanted.items())), "fixed": repr(fixed or {})}
    storage = f"sqlite:///{folder.resolve() / 'tune.db'}"
    study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    if study.user_attrs and study.user_attrs != described:
        other = next(name for name, value in described.items() if study.user_attrs.get(name) != value)
        raise SettingsError(f"{folder} has a search with another {other}; choose another folder")
    for name, value in described.items():
        study.set_user_attr(name, value)
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    for number in range(len(done), trials):
        study.sampler = optuna.samplers.TPESampler(seed=seed * 100_003 + number)
        trial = study.ask()
        settings = {name: _suggest(trial, name, allowed) for name, allowed in wanted.items()}
        value, reason = _value(
            learning, selecting, learner, {**(fixed or {}), **settings}, steps, criterion, gamma, seed, ends
        )
        trial.set_user_attr("reason", reason)
        if math.isnan(value):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
        report(Trial(number, settings, value, reason))
    return _ordered(study)


def split(data: Trajectories, held_out: float, seed: int) -> tuple[Trajectories, Trajectories]:
    """Return the episodes to learn from, and those held out.

    Raises:
        SettingsError: too few episodes for both.
    """
    order = np.random.default_rng(seed).permutation(data.episodes)
    count = round(held_out * data.episodes)
    if count < 4 or data.episodes - count < 1:
        raise SettingsError(f"{data.episodes} episodes cannot be split: at least 4 must be held out")
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


def _ranges(learner: str, ranges: Mapping[str, Range | Choice] | None) -> Mapping[str, Range | Choice]:
    found = ranges if ranges is not None else RANGES.get(learner)
    if not found:
        raise SettingsError(f"there are no ranges to search for {learner!r}; known: {', '.join(RANGES)}")
    return found


def _suggest(trial: Any, name: str, allowed: Range | Choice) -> Any:
    if isinstance(allowed, Range):
        return trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
    return trial.suggest_categorical(name, list(allowed))


def _value(  # noqa: PLR0917  # the arrays and settings of one step, in its order
    learning: Trajectories,
    selecting: Trajectories,
    learner: str,
    settings: Mapping[str, Any],
    steps: int,
    criterion: str,
    gamma: float,
    seed: int,
    ends: str | None,
) -> tuple[float, str]:
    """Return the estimated return of what is learned with the settings, and what is to be said about it."""
    from rl_data.errors import DivergenceError
    from rl_data.evaluation.evaluate import EvaluationConfig, evaluate
    from rl_data.training import Settings, train
    from rl_data.transitions import transitions

    try:
        learned = train(
            transitions(learning, ends=ends), learner, dict(settings), Settings(steps=steps, seed=seed, device="cpu")
        )
    except DivergenceError as error:
        return float("nan"), str(error)
    config = EvaluationConfig(gamma=gamma, refits=1, seed=seed)
    found = getattr(evaluate(selecting, learned.learner, config, ends=ends), criterion)
    return (found.estimate if found.trust != "nothing" else float("nan")), "; ".join(found.reasons)


def _ordered(study: Any) -> list[Trial]:
    found = [
        Trial(
            trial.number,
            dict(trial.params),
            float("nan") if trial.value is None else trial.value,
            trial.user_attrs.get("reason", ""),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]
    return sorted(
        found, key=lambda trial: (math.isnan(trial.value), -trial.value if trial.value == trial.value else 0.0)
    )
