"""Results about trajectories to draw: of any size, and with names as hostile as one likes."""

from __future__ import annotations

from collections.abc import Sequence

from audit.findings import Basis, Chart, Finding, Measurement, NotEvaluated, Outcome, Repair, Severity, Status, View
from audit.result import (
    ColumnProfile,
    DatasetSummary,
    EpisodeSummary,
    EpisodeTotals,
    Result,
    Run,
    SourceReading,
    Spread,
)

LENGTH = 500
ENDS = ("terminated", "truncated", "none")


def histogram(title: str, x_title: str) -> Chart:
    return Chart("histogram", title, {"edges": [0, 10, 20, 30], "counts": [5, 80, 15]}, x_title, "episodes")


def strip(name: str) -> Chart:
    steps = list(range(0, LENGTH, 5))
    values = [((step * 37) % 101) / 100 for step in steps]
    series = {"name": name, "values": values, "low": [v - 0.1 for v in values], "high": [v + 0.1 for v in values]}
    return Chart("line", name, {"x": steps, "series": [series], "marks": [[40, 60], [200, 200]]}, "step", "observation")


def trajectory_result(episodes: int, names: Sequence[str] = ()) -> Result:
    """A result about episodes of 500 steps; the first ones, and the observation's entries, are called `names`."""
    steps = episodes * LENGTH
    basis = Basis(steps, steps, unit="steps")
    ids = [*names, *(str(i) for i in range(len(names), episodes))][:episodes]
    entries = [*names, "x", "x_dot", "theta"][:40]
    bad = tuple(ids[:1_000])
    gap = Finding(
        "COM101",
        ("step",),
        Severity.FAIL,
        f"step: {len(bad)} episodes of {episodes:,} lack 3 steps in between, limit 0 (episodes {', '.join(bad[:3])})",
        "gap_share",
        0.1,
        0.0,
        basis,
        effect=0.1,
        affected=len(bad) * 3,
        episodes=bad,
        row_ids=(0, 3, LENGTH + 7, 10**9),
        remedy="Let `audit clean` split the episodes at the gaps.",
    )
    flat = Finding(
        "COR101",
        (entries[0],),
        Severity.WARN,
        f"{entries[0]}: does not change in {min(episodes, 2)} episodes",
        "frozen_share",
        0.02,
        0.01,
        basis,
        effect=0.02,
        episodes=bad[:2],
    )
    learners = Finding(
        "REP105",
        (),
        Severity.INFO,
        "learners: the data are suited to CQL; with care BC; not to DQN (1 of 3 suited)",
        "suited_learners",
        1,
        None,
        basis,
        evidence={
            "BC": {"suited": "with care", "reason": "it copies the average"},
            "CQL": {"suited": "yes", "reason": "rewards tell actions apart"},
            "DQN": {"suited": "no", "reason": "no episode terminates"},
        },
    )
    learner_bars = Chart("bars", "Which learners the data can feed", {"labels": ["BC"], "values": [1]})
    coverage = Chart(
        "heatmap", "Coverage", {"rows": entries, "columns": entries, "values": [[1] * len(entries)] * len(entries)}
        | {"low": 0, "high": 1},
    )  # fmt: skip
    lag = Chart("bars", "Lag test", {"labels": ["-1", "0", "+1"], "values": [0.0, 1.0, 0.01]}, "lag", "R2")
    outcomes = (
        Outcome(
            "COM101",
            "episode-structure",
            "completeness",
            Status.FAIL,
            "1 fail",
            (gap,),
            repairs=(Repair("COM101", ("step",), "gap_share", "split", "steps are missing", ((3, 4),), safe=True),),
        ),
        Outcome("COM102", "terminal-flags", "completeness", Status.PASS, "3 numbers within limits"),
        Outcome("REP101", "coverage", "representativeness", Status.PASS, "fine", views=(View(coverage, "All steps."),)),
        Outcome("REP105", "return-distribution", "representativeness", Status.PASS, "1 info", (learners,),
                views=(View(learner_bars), View(histogram("Return of each episode", "return"), "Mean 20."))),
        Outcome("BAL101", "action-balance", "class_balance", Status.NOT_APPLICABLE, "there are no actions",
                not_evaluated=(NotEvaluated("there are no actions"),)),
        Outcome("LBL102", "action-alignment", "label_accuracy", Status.PASS, "fine",
                measurements=(Measurement("lag_r2", ("action",), 1.0, basis),), views=(View(lag, "Best at 0."),)),
        Outcome("COR101", "redundant-dimensions", "correlation", Status.WARN, "1 warn", (flat,)),
        Outcome("FRE101", "episode-clock", "freshness", Status.ERROR, "ValueError: no"),
    )  # fmt: skip
    columns = tuple(
        ColumnProfile(
            name, "numeric", "float32", role, steps, 0, 0, 0, None, True, mean=0.5, std=0.1, low=0.0, high=1.0,
            chart=Chart("histogram", name, {"edges": [0, 0.5, 1], "counts": [steps / 2, steps / 2]}, name, "steps"),
            basis=str(basis),
        )
        for name, role in [*((name, "observation") for name in entries), ("reward", "reward")]
    )  # fmt: skip
    listed = tuple(
        EpisodeSummary(
            name, place, place * LENGTH, LENGTH, 400.0 - place, ENDS[place % 3],
            Severity.FAIL if place < len(bad) // 2 else None,
            ("COM101", "COR101") if place < 2 else ("COM101",) if place < len(bad) // 2 else (),
            3 if place < len(bad) // 2 else 0,
            (strip("reward"), strip(entries[0])) if place < 3 else (),
        )
        for place, name in enumerate(ids[:1_000])
    )  # fmt: skip
    totals = EpisodeTotals(
        episodes, steps, len(bad) // 2, 3 * len(bad),
        {"terminated": episodes - 2, "truncated": 2}, Spread(500, 500, 500, 500), Spread(20.5, -1.25, 20, 99),
        histogram("Episode lengths", "steps in the episode"), histogram("Returns", "undiscounted return"),
    )  # fmt: skip
    odd = names[0] if names else "dones"
    reading = SourceReading(
        "d4rl", (("observations", "observation"), (odd, "ended")), (f"how episodes end: `{odd}` is one flag",),
        (f"{odd}: images, counted and not read",), ((odd, "cannot be read"),) if names else (),
        len(entries), "2 choices", 500, 30.0, "CartPole-v1",
    )  # fmt: skip
    return Result(
        Run("0192f3c1", "2026-11-23T15:47:12+00:00", 2.134, {"facts": 0.91}, "0.1.0", {"python": "3.11.7"}, 412.0, 2),
        DatasetSummary("data/cartpole.hdf5", "cartpole", "trajectory", steps, 8, episodes, 5_400_000, reading=reading),
        (),
        outcomes,
        columns,
        {"seed": 0},
        (),
        None,
        listed,
        totals,
    )
