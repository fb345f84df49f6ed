"""What is asked of `audit learn`, held against the data before anything is cleaned, learned or written."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from audit.errors import ConfigError, SourceError
from rl_data.trajectories import Trajectories

if TYPE_CHECKING:
    from audit.learning.loop import Training


def settled(training: Training, t: Trajectories) -> Training:
    """Choose a learner and an environment where nothing was said, and refuse what does not fit the data.

    Raises:
        ConfigError: the learner, an option, the environment or the meaning of the episodes' ends does not fit.
        SourceError: there are no steps to learn from.
    """
    if not t.rows:
        raise SourceError(f"{t.provenance.uri} holds no steps, so nothing can be learned from it")
    _check_ends(training, t)
    name, options = _learner(training, t)
    _check_evaluation(training)
    environment = training.environment or t.env_id
    environment = None if environment in (None, "none") else environment
    if environment is not None:
        _check_environment(environment, t)
    return dataclasses.replace(training, learner=name, options=options, environment=environment)


def _check_ends(training: Training, t: Trajectories) -> None:
    """Refuse data that cannot tell what an episode's end means, unless that is said: values depend on it."""
    if training.ends is None and t.terminated is None and t.rewards is not None:
        raise ConfigError(
            f"{t.provenance.uri} cannot tell whether an episode's end is the task's (terminated) or only the "
            "recording's (truncated), and what is learned depends on it; say which with --ends terminated or --ends "
            "truncated"
        )


def _learner(training: Training, t: Trajectories) -> tuple[str, dict[str, object]]:
    """Return the learner's name and all its options, after making one for these data."""
    from rl_data.checkpoints import create
    from rl_data.errors import LearningError
    from rl_data.settings import to_plain
    from rl_data.transitions import problem_of

    name = training.learner or ("bc" if t.rewards is None else "cql" if t.discrete else "td3_bc")
    try:
        learner = create(name, problem_of(t), dict(training.options))
    except LearningError as error:
        raise ConfigError(f"--learner {name}, --set: {error}{_suited(name, t)}") from error
    if learner.NEEDS_REWARDS and t.rewards is None:
        raise ConfigError(f"--learner {name} learns from rewards, and {t.provenance.uri} has none; bc needs none")
    return name, to_plain(learner.config)


def _suited(name: str, t: Trajectories) -> str:
    """Return the end of a message: which learners take the data's actions, where that is what this one does not."""
    from rl_data.learners import LEARNERS, learner_class

    kind = "discrete" if t.discrete else "continuous"
    if name not in LEARNERS or kind in learner_class(name).ACTIONS:
        return ""
    return f"; for these: {', '.join(n for n in LEARNERS if kind in learner_class(n).ACTIONS)}"


def _check_evaluation(training: Training) -> None:
    from rl_data.errors import LearningError
    from rl_data.evaluation.evaluate import EvaluationConfig
    from rl_data.settings import from_plain

    try:
        from_plain(EvaluationConfig, dict(training.evaluation))
    except LearningError as error:
        raise ConfigError(f"evaluation: {error}") from error


def _check_environment(environment: str, t: Trajectories) -> None:
    """Make the environment, and hold its observations and actions against the data's."""
    from rl_data.record import make_environment, spaces_of
    from rl_data.transitions import problem_of

    try:
        made = make_environment(environment)
        try:
            observations, actions = spaces_of(made)
        finally:
            made.close()
    except Exception as error:  # the libraries of environments raise their own, by kind of mistake
        raise ConfigError(
            f"environment '{environment}': {' '.join(str(error).split())}; --env none learns without"
        ) from error
    problem = problem_of(t)
    played = f"{observations.size} entries an observation and {_actions(actions.kind, actions.size)}"
    kind = "discrete" if problem.discrete else "box"
    has = f"{problem.observation_size} and {_actions(kind, problem.action_size)}"
    fits = actions.size >= problem.action_size if problem.discrete else actions.size == problem.action_size
    if observations.size != problem.observation_size or actions.kind != kind or not fits:
        raise ConfigError(
            f"environment '{environment}' has {played}, the data have {has}: policies of these data cannot act there; "
            "give another with --env, or --env none learns without"
        )


def _actions(kind: str, size: int) -> str:
    return f"{size} choices of action" if kind == "discrete" else f"{size} numbers an action"


def check_pristine(pristine: Trajectories | None, t: Trajectories) -> None:
    """Refuse a pristine set whose policies would not be those of the data.

    Raises:
        ConfigError: it is a table, or observations or actions are of another kind or size.
    """
    if pristine is None:
        raise ConfigError("--pristine: is a table, and trajectories are wanted")
    sizes = [(one.observations.shape[1], one.discrete, one.actions.shape[1:]) for one in (pristine, t)]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            f"--pristine {pristine.provenance.uri}: observations or actions are of another kind or length than those "
            f"of {t.provenance.uri}; it must be the same data without faults"
        )
    if (pristine.rewards is None) != (t.rewards is None):
        raise ConfigError(f"--pristine {pristine.provenance.uri}: only one of it and {t.provenance.uri} has rewards")
