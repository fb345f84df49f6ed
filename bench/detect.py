"""Measure what the audit finds of planted defects, and what it says about clean data: `make bench-detect`.

    python bench/detect.py [--seeds 5] [--rates 0.1 0.3] [--only NAME ...] [--jobs 2] [--write]

Three sets, recorded here: CartPole at random, 40,000 steps; CartPole at random with a time limit of 25 steps, for the
defect that needs timeouts; Pendulum at random, 200 episodes of 200 steps. Each defect of `rl_data.corrupt` is planted
at each rate with each seed, and audited with the checks that should find it. `audit.selftest` says what counts as
found. For defects whose repair is exact the expected repairs are made, and the outcome is compared byte by byte.
`--write` puts the tables into docs/detection.md. `--held-out` plants the same defects into environments and policies
that nobody looked at while the limits of the checks were chosen.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from restoring import Restored, restored, told

from audit.errors import CheckError
from audit.findings import Severity
from audit.selftest import Match, Trial, audit_with, examine
from rl_data.corrupt import INJECTORS, InjectionError, inject
from rl_data.record import record
from rl_data.trajectories import Trajectories

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detection.md"
SETS = ("CartPole", "CartPole, limit 25", "Pendulum")
HELD_OUT = {
    "Acrobot": ("Acrobot-v1", {"episodes": 60}),
    "MountainCar": ("MountainCar-v0", {"episodes": 100}),
    "MountainCarContinuous": ("MountainCarContinuous-v0", {"episodes": 30}),
}
CLEAN_SEEDS = 5
RECALL, PRECISION, QUARANTINED = 0.95, 0.90, 0.005
"""The targets."""


@dataclass(frozen=True)
class Job:
    """One audit: of a set with a defect planted, or (no defect) of the clean set with another seed."""

    data: str
    defect: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Clean:
    """What was said about a clean set."""

    fails: tuple[str, ...]
    warns: tuple[str, ...]
    quarantined: float
    seconds: float


@functools.cache
def recorded(name: str, seed: int = 0) -> Trajectories:
    """Return a clean set."""
    if name in HELD_OUT:
        env_id, size = HELD_OUT[name]
        return record(env_id, seed=seed, **size)
    if name == "Pendulum":
        return record("Pendulum-v1", episodes=200, seed=seed)
    limit = {"max_episode_steps": 25} if "limit" in name else {}
    return record("CartPole-v1", steps=40_000, seed=seed, env_options=limit)


@dataclass(frozen=True)
class Planted:
    """What was found of a planted defect, and whether its repair brought the clean bytes back."""

    trial: Trial
    restored: Restored | None = None
    broken: str = ""


def run(job: Job) -> Planted | Clean:
    """Do one job."""
    if not job.defect:
        return clean(job.data, job.seed)
    try:
        made = inject(job.defect, recorded(job.data), rate=job.rate, seed=job.seed)
    except InjectionError as error:
        return Planted(Trial(job.defect, job.rate, job.seed, skipped=str(error).partition(": ")[2]))
    try:
        found, result = examine(made, job.rate, job.seed)
    except CheckError as error:
        return Planted(Trial(job.defect, job.rate, job.seed), broken=str(error))
    return Planted(found, restored(made, result))


def clean(name: str, seed: int) -> Clean:
    """Audit a clean set with every check, and count the steps that would be left out without a question."""
    t = recorded(name, 1_000 + seed)
    started = time.perf_counter()
    result = audit_with(t)
    seconds = time.perf_counter() - started
    by_severity = {
        severity: tuple(f"{f.code} {f.statistic}" for f in result.findings if f.severity == severity)
        for severity in Severity
    }
    gone = np.zeros(t.rows, dtype=bool)
    place = {str(episode): number for number, episode in enumerate(t.episode_ids.tolist())}
    for outcome in result.outcomes:
        for repair in outcome.repairs:
            if repair.safe and repair.kind in {"quarantine", "drop_steps"}:
                for start, stop in repair.rows:
                    gone[start:stop] = True
                gone |= np.isin(t.episode_of_row, [place[episode] for episode in repair.episodes])
    return Clean(by_severity[Severity.FAIL], by_severity[Severity.WARN], float(gone.mean()), seconds)


def worst_and_mean(values: Sequence[float | None]) -> str:
    """Return the mean, and in brackets the worst, of the trials."""
    known = [0.0 if value is None else value for value in values]
    return f"{statistics.mean(known):.2f} ({min(known):.2f})"


def line(data: str, defect: str, rate: float, answers: Sequence[Planted]) -> str:
    """Return a line of the table."""
    trials = [answer.trial for answer in answers]
    if trials[0].skipped:
        return f"| {defect} | {data} | - | - | - | - | - | - | - | cannot be planted: {trials[0].skipped} |"
    if broken := {answer.broken for answer in answers if answer.broken}:
        return f"| {defect} | {data} | {rate:.0%} | - | - | - | - | **no** | - | {'; '.join(sorted(broken))} |"
    steps = [match for t in trials if (match := t.steps)]
    episodes = [match for t in trials if (match := t.episodes)]
    met = "yes" if meets([match for t in trials if (match := t.by_unit)]) else "**no**"
    if not INJECTORS[defect].detectable:
        met = "cannot be"
    codes = ", ".join(sorted({code for t in trials for code in t.codes})) or "nothing"
    back = told([answer.restored for answer in answers if answer.restored])
    cells = [
        worst_and_mean([m.recall for m in steps]), worst_and_mean([m.precision for m in steps]),
        worst_and_mean([m.recall for m in episodes]), worst_and_mean([m.precision for m in episodes]),
    ]  # fmt: skip
    return f"| {defect} | {data} | {rate:.0%} | {' | '.join(cells)} | {met} | {back} | {codes} |"


def meets(matches: Sequence[Match]) -> bool:
    """Whether the means over the seeds reach the targets."""
    recall = statistics.mean(match.recall for match in matches)
    precision = statistics.mean(match.precision or 0.0 for match in matches)
    return recall >= RECALL and precision >= PRECISION


def jobs(arguments: argparse.Namespace) -> list[Job]:
    """Return everything that is to be run."""
    sets = tuple(HELD_OUT) if arguments.held_out else SETS
    made = [Job(data, "", 0.0, seed) for data in sets for seed in range(CLEAN_SEEDS)] if not arguments.only else []
    for defect in arguments.only or INJECTORS:
        for data in sets:
            if "limit" in data and defect != "timeout_as_terminal":
                continue
            rates = [*arguments.rates, 1.0] if defect in WHOLE else arguments.rates
            made += [Job(data, defect, rate, seed) for rate in rates for seed in range(arguments.seeds)]
    return made


WHOLE = ("term_all_zero", "act_lag1", "rew_lag1", "next_observation_copied")
"""Defects that often hit a whole set: planted at rate 1, too."""


def main() -> None:
    """Run, print, and write where that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.3])
    parser.add_argument("--only", nargs="+", default=[], choices=list(INJECTORS), metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.perf_counter()
    wanted = jobs(arguments)
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        done = []
        for number, answer in enumerate(pool.imap(run, wanted)):
            done.append(answer)
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {len(wanted)}", end="", file=sys.stderr, flush=True)
    table = [
        *report(wanted, done, arguments.held_out),
        "",
        f"{len(wanted)} audits in {time.perf_counter() - started:,.0f} s.",
    ]
    print("\n".join(table))
    if arguments.write:
        from pages import put

        put(PAGE, "held-out" if arguments.held_out else "detect", table)


def report(wanted: Sequence[Job], done: Sequence[Planted | Clean], misses_only: bool) -> list[str]:
    """Return both tables as lines; on request of the first one only what misses the target."""
    groups: dict[tuple[str, str, float], list[Planted]] = defaultdict(list)
    cleans: dict[str, list[Clean]] = defaultdict(list)
    for job, answer in zip(wanted, done, strict=True):
        if isinstance(answer, Clean):
            cleans[job.data].append(answer)
        else:
            groups[job.defect, job.data, job.rate].append(answer)
    lines = [
        "| defect | set | rate | steps: recall | steps: precision | episodes: recall | episodes: precision "
        "| target met | bytes restored | found by |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = list(dict.fromkeys(line(data, defect, rate, answers) for (defect, data, rate), answers in groups.items()))
    met = [row for row in rows if "| yes |" in row]
    if misses_only:
        rows = [row for row in rows if "| **no** |" in row]
        lines = [f"{len(met)} of {len(met) + len(rows)} combinations meet the target; these do not:", "", *lines]
    lines += rows
    if cleans:
        lines += [
            "", "| clean set | findings at fail | findings at warn | steps left out by default | seconds |",
            "|---|---|---|---|---|",
        ]  # fmt: skip
    for data, answers in cleans.items():
        warns = sorted({word for answer in answers for word in answer.warns})
        fails = [word for answer in answers for word in answer.fails]
        lines.append(
            f"| {data}, {len(answers)} seeds | {len(fails)} {', '.join(sorted(set(fails)))} "
            f"| {', '.join(warns) or '-'} "
            f"| {max(answer.quarantined for answer in answers):.2%} at most "
            f"| {statistics.mean(answer.seconds for answer in answers):.1f} |"
        )
    return lines


if __name__ == "__main__":
    main()
