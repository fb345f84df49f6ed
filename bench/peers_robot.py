"""Other tools for robot data beside ours, on the same planted defects: `make bench-peers-robot`.

    python bench/peers_robot.py [--rate 0.3] [--folder FOLDER] [--write]

Makes one environment for each of the PyPI packages `robot-data-audit` (command `rda`) and `trajlens`, writes CartPole
and Pendulum at random in LeRobot's layout v2.1, clean and with each defect of `rl_data.corrupt` that the layout can
hold, plus four faults of the layout itself, and runs all three tools on each folder as a user would.

What counts as found, for every tool alike: it says something about an episode (or the whole set) that it does not say
about the clean set. Of the episodes named that way: recall among those with the defect, precision among those named.
What a tool says about the clean set, at warning or worse, is its false alarm.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pages import put

from audit.findings import Severity
from audit.selftest import audit_with, named_by
from rl_data.corrupt import INJECTORS, InjectionError, inject
from rl_data.formats import lerobot_writer, read
from rl_data.record import record
from rl_data.trajectories import Trajectories

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detection.md"
PEERS = {"rda": "robot-data-audit[parquet]", "trajlens": "trajlens"}
SETS = {"CartPole": ("CartPole-v1", 150, 50.0), "Pendulum": ("Pendulum-v1", 40, 20.0)}
NOT_IN_THE_LAYOUT = {"next_observation_copied", "final_observation_copied", "final_observation_leaked"}
"""LeRobot has no next observations."""

Statements = frozenset[tuple[str, int]]
"""What a tool says, at warning or worse: (what, episode), with -1 for the set as a whole."""


@dataclass(frozen=True)
class Told:
    """What a tool said about a folder, and the seconds of all processors that it took."""

    statements: Statements
    seconds: float


# --- the tools --------------------------------------------------------------------------------------------------------


def environment(name: str, folder: Path) -> Path:
    """Return the Python of an environment with a peer in it; made where it is not there yet."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PEERS[name]], check=True)
    return python


def version(python: Path, package: str) -> str:
    """Return the installed version."""
    code = f"import importlib.metadata as m; print(m.version('{package.partition('[')[0]}'))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def timed(command: Sequence[str], accepted: Sequence[int]) -> tuple[str, float]:
    """Run a command; return what it printed, and the seconds of all processors that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in accepted:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}{done.stdout[-500:]}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def rda(python: Path, data: Path, scratch: Path) -> Told:
    """Run `rda audit`: each metric with a finding in an episode, and each episode that is to be left out."""
    report = scratch / "rda.json"
    command = [str(python.parent / "rda"), "audit", str(data), "--no-video", "--format", "json", "-o", str(report)]
    _, seconds = timed(command, (0, 1, 2, 3))
    if not report.exists():
        return Told(frozenset({("unreadable", -1)}), seconds)
    found = json.loads(report.read_text())
    report.unlink()
    said = {
        (metric, int(episode["episode_index"]))
        for episode in found["episodes"]
        for metric, about in episode["metrics"].items()
        if about["has_finding"]
    }
    said |= {("verdict", int(e["episode_index"])) for e in found["episodes"] if e["verdict"] != "PASS"}
    return Told(frozenset(said), seconds)


def trajlens(python: Path, data: Path, scratch: Path) -> Told:
    """Run `trajlens lint`: each check at WARN or worse, and the episodes that it counts findings for."""
    printed, seconds = timed([str(python.parent / "trajlens"), "lint", "--json", str(data)], (0, 1, 2, 3))
    found = json.loads(printed)
    said = {(result["check_id"], -1) for result in found["results"] if result["severity"] in {"WARN", "FAIL", "ERROR"}}
    for episode in found["episodes"]["worst"]:
        said |= {(check, int(episode["episode_index"])) for check in episode["finding_counts_by_check"]}
    return Told(frozenset(said), seconds)


def ours(python: Path, data: Path, scratch: Path) -> Told:
    """Run `audit run`: each finding at warn or worse, with the episodes that it or its repair names."""
    command = [str(python), "-m", "audit", "run", str(data), "--fail-on", "never", "-q"]
    _, seconds = timed([*command, "-o", str(scratch / "ours.json")], (0,))
    t = read(data)  # the same audit once more, for the complete list of the steps that repairs name
    ids = [str(episode) for episode in t.episode_ids.tolist()]
    said: set[tuple[str, int]] = set()
    for outcome in audit_with(t).outcomes:
        for finding in outcome.findings:
            if finding.severity > Severity.INFO:
                what = f"{finding.code} {finding.statistic}"
                said.add((what, -1))
                for spans, named in named_by(outcome, finding):
                    hit = {int(e) for start, stop in spans for e in np.unique(t.episode_of_row[start:stop])}
                    hit |= {ids.index(name) for name in (ids if named is None else named)}
                    said |= {(what, episode) for episode in hit}
    return Told(frozenset(said), seconds)


# --- what they are run on ---------------------------------------------------------------------------------------------


def nan_values(t: Trajectories, chosen: np.ndarray[Any, Any]) -> Trajectories:
    """Put NaN into one observation in ten."""
    broken = t.observations.copy()
    broken[chosen[t.episode_of_row] & (np.arange(t.rows) % 10 == 5)] = np.nan
    return replace(t, observations=broken)


def late_timestamps(t: Trajectories, chosen: np.ndarray[Any, Any]) -> Trajectories:
    """Let the clock run 5% slow."""
    assert t.timestamps is not None
    return replace(t, timestamps=np.where(chosen[t.episode_of_row], 1.05 * t.timestamps, t.timestamps))


def lost_rows(t: Trajectories, chosen: np.ndarray[Any, Any]) -> Trajectories:
    """Lose the third and fourth row, so that the frame numbers have a gap."""
    keep = ~(chosen[t.episode_of_row] & np.isin(t.steps, (2, 3)))
    lengths = np.bincount(t.episode_of_row[keep], minlength=t.episodes)
    arrays = {name: getattr(t, name)[keep] for name in _ARRAYS if getattr(t, name) is not None}
    return replace(
        t, offsets=np.concatenate([[0], np.cumsum(lengths)]), next_observations=None, has_next=None, **arrays
    )


_ARRAYS = (
    "steps", "observations", "actions", "rewards", "terminated", "truncated", "source_rows", "timestamps",
    "behaviour_log_prob", "policy_ids",
)  # fmt: skip

LAYOUT_FAULTS: dict[str, Callable[[Trajectories, Any], Trajectories]] = {
    "NaN in observations": nan_values,
    "clock 5% slow": late_timestamps,
    "rows lost (gap in frame numbers)": lost_rows,
}


def stale_lengths(folder: Path, chosen: np.ndarray[Any, Any]) -> None:
    """Let `meta/episodes.jsonl` say one step more than there is."""
    path = folder / "meta" / "episodes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["length"] += int(chosen[line["episode_index"]])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@dataclass(frozen=True)
class Case:
    """A folder with a defect (none: the clean set): planted episodes, those that may rightly be named, or why not."""

    defect: str
    folder: Path
    planted: np.ndarray[Any, Any]
    involved: np.ndarray[Any, Any]
    skipped: str = ""


def folders(data: str, rate: float, root: Path) -> list[Case]:
    """Write every set."""
    env_id, episodes, fps = SETS[data]
    played = record(env_id, episodes=episodes, seed=0)
    clean = replace(played, timestamps=played.steps / fps, fps=fps, policy_ids=None, behaviour_log_prob=None)
    none = np.zeros(clean.episodes, dtype=bool)
    made = [Case("", write(clean, root / data / "clean"), none, none)]
    for name in INJECTORS:
        if name in NOT_IN_THE_LAYOUT:
            continue
        try:
            planted = inject(name, clean, rate=rate, seed=0)
        except InjectionError as error:
            made.append(Case(name, root, none, none, str(error).partition(": ")[2]))
            continue
        involved = planted.episodes.copy()
        involved[planted.trajectories.episode_of_row[planted.involved]] = True
        made.append(Case(name, write(planted.trajectories, root / data / name), planted.episodes, involved))
    chosen = np.random.default_rng(0).random(clean.episodes) < rate
    for name, plant in LAYOUT_FAULTS.items():
        made.append(Case(name, write(plant(clean, chosen), root / data / name.replace(" ", "_")), chosen, chosen))
    folder = write(clean, root / data / "stale_lengths")
    stale_lengths(folder, chosen)
    made.append(Case("lengths in metadata wrong", folder, chosen, chosen))
    return made


def write(t: Trajectories, folder: Path) -> Path:
    """Write LeRobot v2.1; episodes get the numbers 0 .. E - 1."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lerobot_writer.write(replace(t, episode_ids=np.arange(t.episodes)), folder)
    return folder


def verdict(told: Told, clean: Told, truth: np.ndarray[Any, Any], involved: np.ndarray[Any, Any]) -> str:
    """Return a cell: what a tool newly says about this folder."""
    new = told.statements - clean.statements
    episodes = {episode for _, episode in new if 0 <= episode < len(truth)}
    if not new:
        return "no"
    codes = sorted({what for what, _ in new})
    what = f"{', '.join(codes[:2])}{' and more' if len(codes) > 2 else ''}"
    if not episodes:
        return f"the set only ({what})"
    recall = sum(bool(truth[episode]) for episode in episodes) / max(int(truth.sum()), 1)
    precision = sum(bool(involved[episode]) for episode in episodes) / len(episodes)
    return f"{recall:.2f} / {precision:.2f} ({what})"


def main() -> None:
    """Run and print; write where that is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "dataset-audit-peers")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pythons = {name: environment(name, arguments.folder) for name in PEERS} | {"ours": Path(sys.executable)}
    tools = {"ours": ours, "rda": rda, "trajlens": trajlens}
    versions = ", ".join(f"`{PEERS[name].partition('[')[0]}` {version(pythons[name], PEERS[name])}" for name in PEERS)
    lines = [
        f"{versions}; defects at {arguments.rate:.0%}, seed 0. Cells: recall / precision of episodes (what is said).",
        "", "| set | defect | ours | robot-data-audit | trajlens |", "|---|---|---|---|---|",
    ]  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    alarms = ["", "| clean set | ours | robot-data-audit | trajlens |", "|---|---|---|---|"]
    for data in SETS:
        base: dict[str, Told] = {}
        for case in folders(data, arguments.rate, arguments.folder / "data"):
            if case.skipped:
                lines.append(f"| {data} | {case.defect} | - | - | cannot be planted: {case.skipped} |")
                continue
            told = {name: tool(pythons[name], case.folder, arguments.folder) for name, tool in tools.items()}
            for name, answer in told.items():
                seconds[name].append(answer.seconds)
            if not case.defect:
                base = told
                alarms.append(f"| {data} | {' | '.join(alarm(told[name]) for name in tools)} |")
                continue
            cells = [verdict(told[name], base[name], case.planted, case.involved) for name in tools]
            lines.append(f"| {data} | {case.defect} | {' | '.join(cells)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    times = [f"{float(np.median(seconds[name])):.1f} s" for name in tools]
    lines += [*alarms, f"| median seconds of processor time for a folder | {' | '.join(times)} |"]
    print("\n".join(lines))
    if arguments.write:
        put(PAGE, "peers", lines)


def alarm(told: Told) -> str:
    """Return a cell: what a tool says about clean data."""
    counts: dict[str, int] = {}
    for what, episode in told.statements:
        counts[what] = counts.get(what, 0) + (episode >= 0)
    return ", ".join(f"{what}: {count} episodes" if count else what for what, count in sorted(counts.items())) or "none"


if __name__ == "__main__":
    main()
