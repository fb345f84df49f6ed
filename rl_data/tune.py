"""Search for a learner's settings by optuna, selected offline.

By FQE or the GAE-based value, without an environment (Paine et al., arXiv 2007.09055). The episodes that select are
held out from those that learn.

The search is kept in a database in its folder; the same command goes on where it stopped. Each trial's draws depend on
the seed and the trial's number alone, so that an interrupted search ends as an uninterrupted one. The folder has:

    tune.db       the search
    best.json     learner, settings and estimate of the best trial so far
    best/         its run, as `train` writes one; learned from the episodes that did not select
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_data.errors import CheckpointError, SettingsError
from rl_data.outputs import check_folder, replace_file
from rl_data.settings import flat, nested
from rl_data.trajectories import Trajectories

if TYPE_CHECKING:
    from rl_data.evaluation.evaluation import Evaluation
    from rl_data.transitions import Transitions

DATABASE, BEST, BEST_RUN = "tune.db", "best.json", "best"


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
"""The field's usual ranges by learner (`rl-baselines3-zoo`, CORL, d3rlpy)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of settings that was tried.

    Attributes:
        number: from 0.
        settings: what was searched, by whole name ("network.width"); what was fixed is not among them.
        value: the estimated return; NaN where nothing could be estimated or training diverged.
        reason: why there is no value, or why it is for ranking only: it orders trials and is no estimate of the return.
    """

    number: int
    settings: Mapping[str, Any]
    value: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Search:
    """What all trials have in common."""

    rows: Transitions
    selecting: Trajectories
    learner: str
    wanted: Mapping[str, Range | Choice]
    fixed: Mapping[str, Any]
    steps: int
    criterion: str
    gamma: float
    held_out: float
    seed: int
    soften: float
    ends: str | None

    def whole(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings of the learner, nested: those of a trial and the fixed ones."""
        return nested({**flat(self.fixed), **settings})

    def described(self, data: Trajectories) -> dict[str, Any]:
        """Return what the values of trials depend on: a folder's search goes on only where it is the same."""
        from rl_data.formats.canonical_metadata import fingerprint

        names = ("learner", "criterion", "gamma", "steps", "seed", "held_out", "soften", "ends")
        described = {name: getattr(self, name) for name in names}
        described["data"] = fingerprint(data)
        return described | {"ranges": repr(sorted(self.wanted.items())), "fixed": repr(self.fixed)}


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
    soften: float = 0.0,
    ends: str | None = None,
    report: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Try settings until there are `trials` of them in all; return them, the best first.

    Args:
        data: to learn and to select from; its episodes are split.
        learner: see `rl_data.learners.LEARNERS`.
        folder: keeps the search and its best trial; see the module.
        trials: in all, those of earlier calls included.
        steps: updates of each training.
        criterion: "fqe" or "gae".
        gamma: discount of the return that selects: the same for all trials, whatever the learner's own.
        held_out: share of the episodes that select.
        seed: of the split and of all trials.
        ranges: what to search, in place of `RANGES`; a name may be nested, such as "network.width".
        fixed: settings of the learner that are the same in all trials, nested; they are not searched.
        soften: share of random actions (or standard deviation of noise) of the policy that is evaluated.
        ends: what an episode's end means where the data cannot tell.
        report: gets each trial when it is done.

    Raises:
        SettingsError: a name or number makes no sense, nothing is left to search, the criterion cannot judge such a
            policy, or the folder has another search.
        DataError: the data cannot be learned from or evaluated on.
        CheckpointError: the folder's search is damaged.
    """
    from rl_data.training import rows_for

    if criterion not in ("fqe", "gae") or trials < 1 or not 0.0 < held_out < 1.0:
        raise SettingsError("criterion must be fqe or gae, trials at least 1, held_out in (0, 1)")
    check_folder(folder)
    wanted = searched(learner, fixed, ranges)
    learning, selecting = split(data, held_out, seed)
    search = _Search(
        rows_for(learner, learning, ends), selecting, learner, wanted, fixed or {}, steps, criterion, gamma, held_out,
        seed, soften, ends,
    )  # fmt: skip
    _check(search)
    folder.mkdir(parents=True, exist_ok=True)
    study, done = _study(folder, search.described(data))
    best = max((trial.value for trial in done if not math.isnan(trial.value)), default=-math.inf)
    for number in range(len(done), trials):
        trial = _next(study, search, number, folder, best)
        best = max(best, trial.value) if not math.isnan(trial.value) else best
        report(trial)
    return _ordered(_finished(study))


def searched(
    learner: str, fixed: Mapping[str, Any] | None = None, ranges: Mapping[str, Range | Choice] | None = None
) -> Mapping[str, Range | Choice]:
    """Return what is searched, by whole name: the ranges less what is fixed.

    Raises:
        SettingsError: nothing is.
    """
    found = ranges if ranges is not None else RANGES.get(learner)
    if not found:
        raise SettingsError(f"there are no ranges to search for {learner!r}; known: {', '.join(RANGES)}")
    staying = flat(fixed or {})
    left = {name: allowed for name, allowed in found.items() if name not in staying}
    if not left:
        raise SettingsError(f"all that is searched is fixed ({', '.join(found)}): leave one of them open, or use train")
    return left


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


def _check(search: _Search) -> None:
    """Raise before the first trial what would be raised in every one."""
    from rl_data import checkpoints
    from rl_data.evaluation.evaluate import EvaluationConfig
    from rl_data.evaluation.logged import logged
    from rl_data.policies import softened
    from rl_data.training import Settings

    Settings(steps=search.steps)
    EvaluationConfig(gamma=search.gamma)
    logged(search.selecting, ends=search.ends)
    settings = {n: one.low if isinstance(one, Range) else one[0] for n, one in search.wanted.items()}
    learner = checkpoints.create(search.learner, search.rows.problem, search.whole(settings))
    policy = softened(learner, search.soften)
    if search.criterion == "gae" and policy.deterministic and not policy.discrete:
        raise SettingsError(
            f"{search.learner} learns a deterministic policy with continuous actions: it has no density, and GAE needs "
            "the ratio of its density to the data's; select by fqe (--criterion fqe), or soften the policy that is "
            "evaluated (--soften 0.1: noise of that standard deviation)"
        )


def _study(folder: Path, described: Mapping[str, Any]) -> tuple[Any, list[Trial]]:
    """Return the folder's search, or a new one, and what was tried in it."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder.resolve() / DATABASE
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{path}", study_name="tune", direction="maximize", load_if_exists=True
        )
        earlier, done = study.user_attrs, _finished(study)
        for name in described.keys() - earlier.keys():
            study.set_user_attr(name, described[name])
    except (SQLAlchemyError, optuna.exceptions.OptunaError, LookupError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{folder / DATABASE}: cannot be used as a search ({why}); it is damaged or of another program: choose "
            "another folder, or remove it"
        ) from error
    for name, value in earlier.items():
        if value != described.get(name):
            raise SettingsError(f"{folder} has a search with another {name}; choose another folder")
    return study, done


def _next(study: Any, search: _Search, number: int, folder: Path, best: float) -> Trial:
    """Try the next settings; keep what was learned where it is the best so far."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=search.seed * 100_003 + number)
    asked = study.ask()
    settings = {name: _suggest(asked, name, allowed) for name, allowed in search.wanted.items()}
    run = folder / ".trial"
    shutil.rmtree(run, ignore_errors=True)  # of a trial that was interrupted
    found, reason = _tried(search, settings, run)
    value = float("nan") if found is None else found.estimate
    trial = Trial(number, settings, value, reason)
    if found is not None and value > best:
        _keep(folder, run, search, trial, found)
    shutil.rmtree(run, ignore_errors=True)
    asked.set_user_attr("reason", reason)
    if math.isnan(value):
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(asked, value)
    return trial


def _suggest(trial: Any, name: str, allowed: Range | Choice) -> Any:
    if isinstance(allowed, Range):
        return trial.suggest_float(name, allowed.low, allowed.high, log=allowed.log)
    return trial.suggest_categorical(name, list(allowed))


def _tried(search: _Search, settings: Mapping[str, Any], run: Path) -> tuple[Evaluation | None, str]:
    """Return the estimate for what is learned with the settings, None where there is none; and what to say about it."""
    from rl_data.errors import DivergenceError
    from rl_data.evaluation.evaluate import EvaluationConfig, evaluate
    from rl_data.policies import softened
    from rl_data.training import Settings, train

    how = Settings(steps=search.steps, seed=search.seed, device="cpu")
    try:
        learned = train(search.rows, search.learner, search.whole(settings), how, run=run)
    except DivergenceError as error:
        return None, str(error)
    config = EvaluationConfig(gamma=search.gamma, refits=1, seed=search.seed)
    policy = softened(learned.learner.eval(), search.soften)
    found: Evaluation = getattr(evaluate(search.selecting, policy, config, ends=search.ends), search.criterion)
    reason = "" if found.trust == "number" else "; ".join(found.reasons)
    return (None if found.trust == "nothing" else found), reason


def _keep(folder: Path, run: Path, search: _Search, trial: Trial, found: Evaluation) -> None:
    """Put a trial's run and settings in place of the best so far."""
    shutil.rmtree(folder / BEST_RUN, ignore_errors=True)
    os.replace(run, folder / BEST_RUN)
    content = {
        "learner": search.learner,
        "settings": search.whole(trial.settings),
        "fixed": search.fixed,
        "steps": search.steps,
        "seed": search.seed,
        "ends": search.ends,
        "trial": trial.number,
        "soften": search.soften,
        "estimate": found.to_json(),
    }
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    replace_file(folder / BEST, lambda path: path.write_text(text, encoding="utf-8"))


def _finished(study: Any) -> list[Trial]:
    """Return the trials that were ended, in their order."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return [_trial_of(trial, number) for number, trial in enumerate(ended)]


def _trial_of(saved: Any, number: int) -> Trial:
    value = float("nan") if saved.value is None else saved.value
    reason = saved.user_attrs.get("reason", "")
    return Trial(number, dict(saved.params), value, reason)


def _ordered(trials: list[Trial]) -> list[Trial]:
    """Return the best first, those without a value last."""
    return sorted(trials, key=lambda trial: math.inf if math.isnan(trial.value) else -trial.value)
