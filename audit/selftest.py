"""Does the audit find what it says it finds? Defects are planted into trajectories, and what is found is compared.

A step is *found* when a repair of one of the checks that should see the defect names it, or (for findings without a
repair) the finding does; findings of `info` do not count. An episode is found when it is named, or one of its steps is.

- recall: share of the planted steps (episodes) that are found.
- precision: share of the found steps (episodes) that are planted, or that a planted one touches
  (`rl_data.corrupt.Corrupted.involved`: the step before an overwritten observation, the original of a copy).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from audit.findings import Finding, Outcome, Repair, Severity, Spans
from audit.result import Result
from rl_data.corrupt import INJECTORS, Corrupted, InjectionError, inject
from rl_data.trajectories import Trajectories

Flags = NDArray[np.bool_]

FOUND_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "term_all_zero": ("COM102",),
        "timeout_as_terminal": ("COM102",),
        "boundary_merge": ("COM104",),
        "next_observation_copied": ("COM104",),
        "final_observation_copied": ("COM104",),
        "final_observation_leaked": ("COM104",),
        "act_lag1": ("LBL102",),
        "rew_lag1": ("LBL101",),
        "reward_sign": ("LBL103",),
        "reward_outlier": ("LBL103",),
        "obs_units": ("LBL104",),
        "obs_units_steps": ("LBL104",),
        "nan_to_zero": ("COM103",),
        "frozen_sensor": ("COR101",),
        "shuffled": ("LBL104",),
        "interleaved": ("LBL104",),
        "foreign_episodes": ("LBL104",),
        "duplicates": ("COR102",),
        "foreign_policy": ("REP103", "LBL104"),
    }
)
"""Defect to the checks that should find it."""


@dataclass(frozen=True, slots=True)
class Match:
    """What was planted beside what was found: counts, recall and precision (None where nothing was found)."""

    planted: int
    found: int
    recall: float
    precision: float | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One defect, planted once.

    Attributes:
        defect, rate, seed: what was planted.
        skipped: why it could not be planted into these data; then nothing else is said.
        steps, episodes: what was found of it.
        codes: the checks among the expected ones that found something at warn or above.
        seconds: that the audit took.
    """

    defect: str
    rate: float
    seed: int
    skipped: str = ""
    steps: Match | None = None
    episodes: Match | None = None
    codes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def by_unit(self) -> Match | None:
        """The match at the level at which the defect is planted: steps or episodes."""
        return self.episodes if INJECTORS[self.defect].unit == "episodes" else self.steps


def selftest(
    trajectories: Trajectories,
    *,
    names: Sequence[str] = (),
    rates: Sequence[float] = (0.1, 0.3),
    seeds: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Trial]:
    """Plant each defect at each rate with each seed, audit the outcome, and yield what was found.

    Args:
        trajectories: what the defects are planted into; it should be clean.
        names: of `rl_data.corrupt.INJECTORS`; default: all.
        rates: shares of steps or episodes.
        seeds: how many seeds, from 0.
        progress: is told what is being done.

    Raises:
        InjectionError: a name or a rate is unknown.
        AuditError: the audit cannot be run.
    """
    for name in names or INJECTORS:
        for rate in rates:
            for seed in range(seeds):
                progress(f"{name} at {rate:.0%}, seed {seed}")
                yield trial(trajectories, name, rate, seed)


def trial(trajectories: Trajectories, name: str, rate: float, seed: int) -> Trial:
    """Plant one defect, audit, compare.

    Raises:
        InjectionError: the name or the rate is unknown.
        AuditError: the audit cannot be run.
    """
    if name not in INJECTORS or not 0.0 < rate <= 1.0:
        inject(name, trajectories, rate=rate, seed=seed)  # raises, with the names that there are
    try:
        made = inject(name, trajectories, rate=rate, seed=seed)
    except InjectionError as error:
        return Trial(name, rate, seed, skipped=str(error).partition(": ")[2])
    return examine(made, rate, seed)[0]


def examine(made: Corrupted, rate: float, seed: int) -> tuple[Trial, Result]:
    """Audit trajectories with a planted defect, with the checks that should find it, and compare.

    Raises:
        AuditError: the audit cannot be run.
    """
    codes = FOUND_BY[made.name]
    started = time.perf_counter()
    result = audit_with(made.trajectories, codes)
    seconds = time.perf_counter() - started
    steps, episodes = masks(result, made.trajectories, codes)
    found = Trial(
        made.name,
        rate,
        seed,
        steps=match(made.steps, made.involved, steps),
        episodes=match(made.episodes, _episodes_of(made), episodes),
        codes=tuple(o.code for o in result.outcomes if any(f.severity > Severity.INFO for f in o.findings)),
        seconds=seconds,
    )
    return found, result


def audit_with(trajectories: Trajectories, codes: Sequence[str] = ()) -> Result:
    """Audit with some checks only (default: all).

    Raises:
        AuditError: the audit cannot be run, or a check broke.
    """
    from audit.errors import CheckError
    from audit.runner import run

    result = run(trajectories, select=tuple(codes))
    for outcome in result.errors:
        raise CheckError(f"{outcome.code} broke: {outcome.reason}")
    return result


def masks(result: Result, t: Trajectories, codes: Sequence[str]) -> tuple[Flags, Flags]:
    """Return bool[N] and bool[E]: the steps and episodes that findings of these checks, from warn on, name."""
    place = {str(name): number for number, name in enumerate(t.episode_ids.tolist())}
    steps, episodes = np.zeros(t.rows, dtype=bool), np.zeros(t.episodes, dtype=bool)
    for outcome in result.outcomes:
        for finding in outcome.findings if outcome.code in codes else ():
            if finding.severity > Severity.INFO:
                for spans, ids in named_by(outcome, finding):
                    for start, stop in spans:
                        steps[start:stop] = True
                    chosen = np.zeros(t.episodes, dtype=bool)
                    chosen[_places(ids, place)] = True
                    episodes |= chosen
                    steps |= np.repeat(chosen, t.lengths)
    episodes[t.episode_of_row[steps]] = True
    return steps, episodes


def _places(ids: tuple[str, ...] | None, place: Mapping[str, int]) -> list[int]:
    return list(place.values()) if ids is None else [place[name] for name in ids if name in place]


def named_by(outcome: Outcome, finding: Finding) -> Iterator[tuple[Spans, tuple[str, ...] | None]]:
    """Yield what a finding, or each repair of it, names: spans of steps, and ids of whole episodes (None: all)."""
    repairs = _repairs(outcome, finding)
    for repair in repairs:
        everywhere = repair.kind == "shift" and not repair.episodes and not repair.rows
        yield repair.rows, None if everywhere else repair.episodes
    if not repairs:
        rows = tuple((row, row + 1) for row in finding.row_ids)
        yield rows, () if rows else finding.episodes


def _repairs(outcome: Outcome, finding: Finding) -> list[Repair]:
    identity = finding.fingerprint("")
    return [repair for repair in outcome.repairs if repair.fingerprint("") == identity]


def _episodes_of(made: Corrupted) -> Flags:
    """Return bool[E']: the episodes that a finding may rightly name."""
    involved = made.episodes.copy()
    involved[made.trajectories.episode_of_row[made.involved]] = True
    return involved


def match(planted: Flags, involved: Flags, found: Flags) -> Match:
    """Return recall among the planted, and precision with the involved.

    >>> match(np.array([True, True, False, False]), np.array([True, True, True, False]), np.array([1, 0, 1, 1]) > 0)
    Match(planted=2, found=3, recall=0.5, precision=0.6666666666666666)
    """
    count = int(found.sum())
    return Match(
        planted=int(planted.sum()),
        found=count,
        recall=float((planted & found).sum() / max(planted.sum(), 1)),
        precision=float((involved & found).sum() / count) if count else None,
    )
