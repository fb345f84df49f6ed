"""One policy learned from one data set with one seed, and how good it is: the unit of every comparison."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from rl_data.errors import DataError, DivergenceError, LearningError, WorkerError


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be done.

    Attributes:
        arm: what the data set is called in the comparison.
        data: trajectories to learn from, in any known format.
        learner: by name.
        options: of the learner, as plain JSON.
        seed: of weights and batches; environments get the same seeds in every trial, so that starts are equal.
        updates: steps of training.
        batch_size: rows an update.
        environment: Gymnasium's id; None: the policy never acts.
        episodes: to play with the final policy.
        curve_points: how often the policy plays in between.
        curve_episodes: to play each of these times.
        held_out: episodes to evaluate the policy on without acting; None: it is not.
        evaluation: settings of that, as plain JSON.
        soften: share of random actions (or standard deviation) of the policy that is evaluated on logged episodes.
        ends: what an episode's end means where the data cannot tell.
    """

    arm: str
    data: Path
    learner: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    updates: int = 5_000
    batch_size: int = 256
    environment: str | None = None
    episodes: int = 100
    curve_points: int = 10
    curve_episodes: int = 10
    held_out: Path | None = None
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    soften: float = 0.1
    ends: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        trial: what was done.
        returns: undiscounted, of each episode played with the final policy; empty without an environment.
        discounted: the same with the evaluation's discount, of the softened policy that is evaluated offline, and past
            the environment's step limit, as the estimates are.
        curve: (updates, mean return) during training.
        metrics: of the last updates.
        estimates: `PolicyEvaluation.to_json()`; None where nothing was held out or it was not possible.
        notes: what was left out of the data, in words.
        problem: why nothing was learned, in plain words; empty when something was.
        seconds: on the clock.
        run: folder of the learned policy, as `rl_data.checkpoints.load` reads it; None where it was not kept.
    """

    trial: Trial
    returns: tuple[float, ...] = ()
    discounted: tuple[float, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    estimates: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    problem: str = ""
    seconds: float = 0.0
    run: Path | None = None

    @property
    def mean_return(self) -> float | None:
        """The mean return of the final policy; None where it did not act."""
        return sum(self.returns) / len(self.returns) if self.returns else None


_Job = tuple[Callable[[], Outcome], tuple[int, ...]]
"""What gives an outcome, and the places of the trials whose outcome it is."""


def run_trials(
    trials: Sequence[Trial],
    *,
    workers: int = 1,
    report: Callable[[Outcome], None] = lambda _: None,
    kept: Path | None = None,
) -> tuple[Outcome, ...]:
    """Run trials, side by side in processes of one thread each; the outcomes are in the order of the trials.

    Data that cannot be learned from, and training that goes astray, are outcomes with a `problem`.

    Args:
        trials: what to do.
        workers: processes. With one of them, or one trial, all is done in this process. With more, a script has to
            call this within `if __name__ == "__main__":`, since each process begins by importing the script.
        report: gets each outcome when it is there.
        kept: folder of finished trials, made where it is absent; see `rl_data.kept_trials`. A trial that is in there is
            not run again. Trials that cannot differ in their outcome are run once.

    Raises:
        WorkerError: a process ended before it was done.
        SettingsError: there can be no such folder.
    """
    done: dict[int, Outcome] = {}

    def tell(place: int, outcome: Outcome) -> None:
        done[place] = replace(outcome, trial=trials[place])
        report(done[place])

    if kept is None:
        jobs: Sequence[_Job] = [(partial(run_trial, trial), (place,)) for place, trial in enumerate(trials)]
    else:
        jobs = _missing(kept, trials, tell)
    if workers <= 1 or len(jobs) <= 1:
        for job, places in jobs:
            outcome = job()
            for place in places:
                tell(place, outcome)
    else:
        _side_by_side(jobs, min(workers, len(jobs)), tell)
    return tuple(done[place] for place in range(len(trials)))


def _missing(kept: Path, trials: Sequence[Trial], tell: Callable[[int, Outcome], None]) -> list[_Job]:
    """Tell of the trials that are in the folder; return the others, those that must come out alike together."""
    from rl_data import kept_trials

    kept_trials.prepare(kept)
    digests = cache(kept_trials.digest)  # of this call: files may change until the next
    jobs: dict[str, _Job] = {}
    for place, trial in enumerate(trials):
        key = kept_trials.key_of(trial, digests)
        outcome = kept_trials.find(kept, trial, key)
        if outcome is not None:
            tell(place, outcome)
            continue
        job, places = jobs.get(key, (partial(kept_trials.run_and_keep, kept, trial, key), ()))
        jobs[key] = job, (*places, place)
    return list(jobs.values())


def _side_by_side(jobs: Sequence[_Job], workers: int, tell: Callable[[int, Outcome], None]) -> None:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting = {pool.submit(job): places for job, places in jobs}
            try:
                for future in as_completed(waiting):
                    for place in waiting[future]:
                        tell(place, future.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # else all that waits would be run before it is raised
                raise
    except BrokenProcessPool as error:
        raise WorkerError(
            "a process that learned ended before it was done. In a script of your own, put the call within "
            '`if __name__ == "__main__":`, since each process begins by importing the script; else it was killed, most '
            "often for want of memory: use fewer workers (one needs no other process)"
        ) from error


def run_trial(trial: Trial, run: Path | None = None) -> Outcome:
    """Learn, let the policy act, evaluate it on what was held out; `run` is a folder for the policy.

    One thread, wherever it runs: sums, and so weights, are then the same beside other trials and alone.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(trial, run)
    finally:
        torch.set_num_threads(threads)


def _run(trial: Trial, run: Path | None) -> Outcome:
    from rl_data.formats import read
    from rl_data.training import Settings, rows_for, train

    started = time.perf_counter()
    curve: list[tuple[int, float]] = []

    def probe(policy: Any, step: int) -> None:
        if trial.environment is not None and trial.curve_episodes:
            curve.append((step, _played(policy, trial, trial.curve_episodes)))

    every = max(round(trial.updates / max(trial.curve_points, 1) / 100), 1) * 100
    settings = Settings(trial.updates, trial.batch_size, trial.seed, "cpu", every, max(trial.updates // 100, 1) * 100)
    try:
        rows = rows_for(trial.learner, read(trial.data), trial.ends)
        trained = train(rows, trial.learner, dict(trial.options), settings, run=run, probe=probe)
    except (DataError, DivergenceError) as error:
        problem = " ".join(str(error).split())
        return Outcome(trial, curve=tuple(curve), problem=problem, seconds=time.perf_counter() - started)
    learner = trained.learner.eval()
    returns: tuple[float, ...] = ()
    if trial.environment is not None:
        returns = _returns(learner, trial)
    estimates, discounted, notes = _estimates(learner, trial)
    return Outcome(
        trial,
        returns=returns,
        discounted=discounted,
        curve=tuple(curve),
        metrics=dict(trained.history[-1]) if trained.history else {},
        estimates=estimates,
        notes=(*trained.notes, *notes),
        seconds=time.perf_counter() - started,
        run=run,
    )


def _played(policy: Any, trial: Trial, episodes: int) -> float:
    from rl_data.evaluation.rollout import rollout

    assert trial.environment is not None
    return float(rollout(trial.environment, policy, episodes=episodes, seed=10_000, greedy=True).returns.mean())


def _returns(policy: Any, trial: Trial) -> tuple[float, ...]:
    from rl_data.evaluation.rollout import rollout

    assert trial.environment is not None
    played = rollout(trial.environment, policy, episodes=trial.episodes, seed=20_000, greedy=True)
    return tuple(played.returns.tolist())


def _estimates(learner: Any, trial: Trial) -> tuple[Mapping[str, Any] | None, tuple[float, ...], Iterable[str]]:
    """Return what held-out episodes say of the softened policy, and its discounted returns where it can act."""
    if trial.held_out is None:
        return None, (), ()
    from rl_data.evaluation.evaluate import EvaluationConfig, evaluate
    from rl_data.evaluation.rollout import rollout
    from rl_data.formats import read
    from rl_data.policies import softened
    from rl_data.settings import from_plain

    config = from_plain(EvaluationConfig, {"gamma": _gamma(learner), **trial.evaluation})
    soft = softened(learner, trial.soften)
    try:
        found = evaluate(read(trial.held_out), soft, config, ends=trial.ends).to_json()
    except LearningError as error:
        return None, (), (f"the held-out episodes cannot evaluate it: {error}",)
    if trial.environment is None:
        return found, (), ()
    played = rollout(trial.environment, soft, episodes=trial.episodes, gamma=config.gamma, seed=30_000, past_limit=True)
    lacking = () if played.complete else (f"what the evaluated policy really gets: {played.words}",)
    return found, tuple(played.discounted.tolist()), lacking


def _gamma(learner: Any) -> float:
    return float(min(getattr(learner.config, "gamma", 0.99), 0.999))
