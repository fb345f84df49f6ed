"""The loop from start to end: audit, clean, learn from each set of data, evaluate, one result."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.cleaning import Cleaned, clean
from audit.cleaning.plan import Plan, read_plan, to_yaml
from audit.cleaning.run import open_source
from audit.errors import AuditError, ConfigError
from audit.files import write_text
from audit.learned import Arm, Learning
from audit.learning.charts import charts
from audit.learning.comparison import arm_of, notes_on, paired_difference, recovered_share, verdict_of
from audit.learning.sets import LearningSet, LearningSets, learning_sets
from audit.learning.usage import check_pristine, settled
from audit.result import Result
from audit.sources.trajectories import open_trajectories
from rl_data.errors import LearningError
from rl_data.processors import processors
from rl_data.trajectories import Trajectories, TrajectoryError

if TYPE_CHECKING:
    from rl_data.trial import Outcome, Trial

Progress = Callable[[str, int, int], None]

REPAIRS = ("all", "safe")
ENDS = (None, "terminated", "truncated")
RESULTS = ("report.html", "result.json")
"""What a run leaves in its folder beside the sets."""
SETS = ("raw", "clean", "pristine", "control", "held_out")
NEEDED = "learning needs the extra rl: pip install 'dataset-audit[rl]'"


@dataclass(frozen=True, slots=True)
class Training:
    """How policies are learned and tried out.

    Attributes:
        learner: by name; None takes one that suits the data.
        options: of the learner.
        updates: steps of training.
        batch_size: rows an update.
        seeds: policies for each set of data.
        environment: Gymnasium's id; None takes the data's own; "none" lets no policy act.
        episodes: that each final policy plays.
        held_out: share of episodes that nothing is learned from, for evaluation without acting; 0 leaves it out.
        evaluation: settings of `rl_data.evaluation`, by name.
        workers: processes; None takes all processors.
        ends: what an episode's end means where the data cannot tell.
    """

    learner: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    updates: int = 5_000
    batch_size: int = 256
    seeds: int = 5
    environment: str | None = None
    episodes: int = 100
    held_out: float = 0.2
    evaluation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    workers: int | None = None
    ends: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: a value is out of range.
        """
        for name in ("updates", "batch_size", "seeds", "episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.ends not in ENDS:
            raise ConfigError(f"ends is '{self.ends}'; allowed are terminated and truncated")
        if not 0.0 <= self.held_out <= 0.5:
            raise ConfigError(f"held_out is {self.held_out}; between 0 and 0.5 of the episodes can be held out")


@dataclass(frozen=True, slots=True)
class Learned:
    """What `audit.learn` returns.

    Attributes:
        result: of the audit of the raw data, with `Result.learning`.
        cleaned: what cleaning did.
        folder: where everything was written.
    """

    result: Result
    cleaned: Cleaned
    folder: Path

    @property
    def learning(self) -> Learning:
        """The comparison."""
        assert self.result.learning is not None
        return self.result.learning

    @property
    def problem(self) -> str:
        """Why nothing was learned from any set; empty where something was."""
        seeds = [seed for arm in self.learning.arms for seed in arm.seeds]
        return seeds[0].problem if all(seed.problem for seed in seeds) else ""


def _silent(_what: str, _done: int, _of: int) -> None:
    """Report nothing."""


def learn(
    data: object,
    out: str | Path,
    *,
    training: Training | None = None,
    pristine: object | None = None,
    repairs: str = "all",
    plan: str | Path | None = None,
    force: bool = False,
    progress: Progress = _silent,
    **settings: Any,
) -> Learned:
    """Audit and clean trajectories, learn from them before and after, and say whether cleaning paid.

    Writes into `out`: the cleaned data (`clean/`, as `audit clean` does), `result.json`, `report.html`, and `trials/`
    with the policies. If it is interrupted, the same call with `force` takes over the trials that were finished.

    Learning runs in processes of its own: in a script, call it within `if __name__ == "__main__":`.

    Args:
        data: a file or folder of trajectories, or `rl_data` `Trajectories`.
        out: a folder, new or empty unless `force`.
        training: how policies are learned and tried out.
        pristine: the same data without faults, where there is such a set: what cleaning could win at best.
        repairs: "all" makes every repair that the checks propose, "safe" only those that guess nothing.
        plan: an edited plan of `audit clean`; it replaces `repairs`.
        force: replace the results in a folder that is not empty.
        progress: called as the work goes on.
        **settings: as for `audit.run`.

    Raises:
        SourceError: the data cannot be read, or are a table.
        ConfigError: a setting is not usable, or the learner does not suit the data.
        AuditError: the extra `rl` is not installed, or the folder cannot be written.
    """
    training = training or Training()
    if repairs not in REPAIRS:
        raise ConfigError(f"repairs is '{repairs}'; allowed are {', '.join(REPAIRS)}")
    _require_learning()
    folder = Path(out)
    _check_folder(folder, force=force)
    training, best = _checked(data, training, pristine, settings)
    if plan is not None:
        read_plan(plan)
    _remove_results(folder, keep=(data, pristine, plan))
    cleaned = _cleaned(data, folder, repairs, plan, force=force, progress=progress, **settings)
    sets = learning_sets(cleaned, best, training.held_out)
    work = folder / "sets"
    work.mkdir(exist_ok=True)
    try:
        outcomes = _run(sets, training, work, cleaned.result.settings["seed"], progress)
    except (LearningError, TrajectoryError) as error:  # of one trial; data that teach nothing are an outcome
        raise ConfigError(" ".join(str(error).split())) from error
    learning = _learning(sets, outcomes, training, cleaned)
    result = dataclasses.replace(cleaned.result, learning=learning)
    result.to_json(folder / "result.json")
    result.to_html(folder / "report.html")
    return Learned(result, cleaned, folder)


def _checked(
    data: object, training: Training, pristine: object | None, settings: Mapping[str, Any]
) -> tuple[Training, Trajectories | None]:
    """Return the training with all its choices made and the pristine set, after holding both against the data."""
    source = open_source(data, settings.get("config"), settings.get("kind"))
    training = settled(training, source)
    if pristine is None:
        return training, None
    best = open_trajectories(pristine, "trajectory")
    check_pristine(best, source)
    return training, best


def _check_folder(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o {folder}: is a file; name a folder")
    if folder.exists() and any(folder.iterdir()) and not force:
        raise ConfigError(f"-o {folder}: is not empty; name a new folder, or replace its results with --force")


def _remove_results(folder: Path, keep: tuple[object, ...]) -> None:
    """Remove what an earlier run left, so that nothing of it stands beside what a run that fails has written."""
    spared = {Path(one).resolve() for one in keep if isinstance(one, str | Path)}
    for name in (*RESULTS, "plan.yaml", *(f"sets/{name}.parquet" for name in SETS)):
        if (folder / name).resolve() not in spared:
            (folder / name).unlink(missing_ok=True)


def _require_learning() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise AuditError(NEEDED)


def _cleaned(
    data: object,
    folder: Path,
    repairs: str,
    plan: str | Path | None,
    *,
    force: bool,
    progress: Progress,
    **settings: Any,
) -> Cleaned:
    """Clean, by the plan or by the repairs that are wanted."""
    folder.mkdir(parents=True, exist_ok=True)
    if plan is None and repairs == "all":
        return clean_by_every_repair(data, folder, force=force, progress=progress, **settings)
    return clean(data, folder / "clean", plan, force=force, progress=progress, **settings)


def clean_by_every_repair(
    data: object, folder: Path, *, force: bool = False, progress: Progress = _silent, **settings: Any
) -> Cleaned:
    """Clean into `clean/` of a folder; where repairs are proposed, clean again by a plan that applies them all."""
    target = folder / "clean"
    cleaned = clean(data, target, force=force, progress=progress, **settings)
    if not cleaned.proposed:
        return cleaned
    proposed = read_plan(target / "plan.yaml")
    everything = Plan(
        data=proposed.data, repairs=tuple(entry.model_copy(update={"apply": True}) for entry in proposed.repairs)
    )
    write_text(folder / "plan.yaml", to_yaml(everything))
    return clean(data, target, folder / "plan.yaml", force=True, progress=progress, **settings)


def _run(
    sets: LearningSets, training: Training, work: Path, seed: int, progress: Progress
) -> Mapping[str, tuple[Outcome, ...]]:
    from rl_data.formats import write_canonical
    from rl_data.kept_trials import remove_others
    from rl_data.trial import run_trials

    held = None
    if sets.held_out is not None:
        held = work / "held_out.parquet"
        write_canonical(sets.held_out, held)
    trials: list[Trial] = []
    for one in sets.learned_from:
        write_canonical(one.data, work / f"{one.name}.parquet")
        trials += _trials(one, training, work, held, seed)
    done = 0

    def report(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        progress(f"learned from {outcome.trial.arm}, seed {outcome.trial.seed}", done, len(trials))

    progress("learning", 0, len(trials))
    workers = training.workers or processors()
    kept = work.parent / "trials"
    outcomes = run_trials(trials, workers=min(workers, len(trials)), report=report, kept=kept)
    remove_others(kept, outcomes)
    return {one.name: tuple(o for o in outcomes if o.trial.arm == one.name) for one in sets.learned_from}


def _trials(one: LearningSet, training: Training, work: Path, held: Path | None, seed: int) -> Sequence[Trial]:
    from rl_data.trial import Trial

    return [
        Trial(
            arm=one.name,
            data=work / f"{one.name}.parquet",
            learner=str(training.learner),
            options=training.options,
            seed=seed + k,
            updates=training.updates,
            batch_size=training.batch_size,
            environment=training.environment,
            episodes=training.episodes,
            held_out=held if _evaluated(one, k, training) else None,
            evaluation=training.evaluation,
            ends=training.ends,
        )
        for k in range(training.seeds)
    ]


def _evaluated(one: LearningSet, number: int, training: Training) -> bool:
    """Whether logged episodes are asked about a policy: that takes longer than many trainings.

    Where policies act, the first of each set shows how far such estimates can be believed, and the control, which is
    there for its returns alone, is left out. Where none acts, all there is to compare are the estimates of all seeds.
    """
    return training.environment is None or (number == 0 and one.name != "control")


def _learning(
    sets: LearningSets, outcomes: Mapping[str, tuple[Outcome, ...]], training: Training, cleaned: Cleaned
) -> Learning:
    seed = cleaned.result.settings["seed"]
    arms = {
        one.name: arm_of(one.name, one.what, (one.data.episodes, one.data.rows), outcomes[one.name], seed)
        for one in sets.learned_from
    }
    raw = arms["raw"]
    after: Arm = arms.get("clean", raw)
    difference = None if after is raw else paired_difference(after, raw)
    paid, verdict = verdict_of(raw, after, difference, sets.changed)
    returns = {name: [r for o in found for r in o.returns] for name, found in outcomes.items()}
    notes = dict.fromkeys(f"{o.trial.arm}: {note}" for found in outcomes.values() for o in found for note in o.notes)
    rules = [f"{rule.code} {rule.kind}: {rule.reason}" for rule in cleaned.applied]
    return Learning(
        learner=str(training.learner),
        options=training.options,
        environment=training.environment,
        updates=training.updates,
        arms=tuple(arms.values()),
        paid=paid,
        verdict=verdict,
        difference=None if difference is None else difference.value,
        difference_interval=None if difference is None else difference.interval,
        recovered=recovered_share(raw, after, arms.get("pristine")),
        repairs=tuple(rules),
        notes=(*notes_on(difference, training.seeds), *sets.notes, *notes),
        charts=tuple(charts(tuple(arms.values()), returns)),
    )
