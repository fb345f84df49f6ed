"""BAL101: how are the actions spread?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import MOST, spans, worst_episodes
from audit.checks.completeness._wording import counted, listed, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.actions import ActionChoices, ActionChoicesValues, ActionVectors, ActionVectorsValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View
from audit.stats.balance import balance_of, is_rare

ACTION = ("action",)


@register
@dataclass(frozen=True, slots=True)
class ActionBalance:
    """Actions that are never or rarely taken, actions at their bounds, and steps on which nothing is done.

    What it measures: discrete actions: the steps of each, over all steps. Continuous ones: for each entry the share of
        steps at a declared bound (else at the lowest or highest value that occurs); the share of idle steps, on which
        every entry that ever moves is 0, or is as on the step before; and how many of these stand at the start or at
        the end of episodes.
    Why it matters: the value of an action that never occurs is made up. Actions at a bound were perhaps cut there, so
        that the recorded action is not the one that a policy chose, and their log-probability is infinite for a
        squashed policy; a bang-bang controller is there by right. Idle steps at the ends teach a policy to stand still.
    What to do: collect the missing actions. Find out whether the environment cut actions, and record those that it
        executed. Leave out idle steps at the start if nothing is waited for (`audit clean` proposes it); those in
        between can be part of the task.

    Options:
        rare: a discrete action is rare with less than this share (0 to 1) of an equal share.
        bound: share (0 to 1) of steps at a bound from which an entry is named.
        idle: share (0 to 1) of idle steps above which this is said.
        ends: share (0 to 1) of steps that are idle and at the start of an episode, above which it warns; also for its
            end.
    """

    code: ClassVar[str] = "BAL101"
    name: ClassVar[str] = "action-balance"
    dimension: ClassVar[str] = "class_balance"
    kinds: ClassVar[Kind] = TRAJECTORY

    rare: float = 0.1
    bound: float = 0.2
    idle: float = 0.5
    ends: float = 0.05

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Ask for counts of choices, or for bounds and standstill of vectors."""
        if not data.rows:
            return NotEvaluated("there are no steps")
        return {"rows": data.rows, "actions": ActionChoices() if data.episodes.discrete else ActionVectors()}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge choices or vectors."""
        basis = Basis(facts["rows"], facts["rows"])
        if isinstance(facts["actions"], ActionChoicesValues):
            yield from self._choices(facts["actions"], basis)
        else:
            yield from self._vectors(facts["actions"], basis)

    # --- discrete ---

    def _choices(self, a: ActionChoicesValues, basis: Basis) -> Iterator[Judgement]:
        total = int(a.counts.sum())
        if not total:
            yield NotEvaluated("no step has an action that can be chosen", ACTION)
            return
        balance = balance_of(a.counts)
        yield Measurement("action_entropy", ACTION, balance.entropy / max(np.log(len(a.counts)), 1e-12), basis)
        yield Measurement("smallest_action_share", ACTION, balance.smallest / total, basis)
        yield Measurement("repeated_action_share", ACTION, a.repeats, basis)
        yield _bars(a, total)
        unused = np.flatnonzero(a.counts == 0)
        if balance.classes == 1:
            return  # REP101 says so
        if len(unused):
            yield Finding(
                self.code, ACTION, Severity.WARN,
                f"action: {counted(len(unused), 'action')} of {len(a.counts):,} "
                f"({listed([str(i) for i in unused.tolist()])}) never occur in {total:,} steps, limit 0",
                "unused_actions", len(unused), 0, basis, effect=len(unused) / len(a.counts),
                remedy="Collect them, or take them out of the action space if they do not exist; learners of value "
                "make up their values.",
            )  # fmt: skip
        rare = np.flatnonzero(is_rare(a.counts, self.rare) & (a.counts > 0))
        yield Measurement("rare_actions", ACTION, len(rare), basis, limit=0, unit="actions")
        if len(rare):
            few = int(rare[np.argmin(a.counts[rare])])
            limit = self.rare * total / len(a.counts)
            yield Finding(
                self.code, ACTION, Severity.INFO,
                f"action: {counted(len(rare), 'action')} of {len(a.counts):,} have fewer than {limit:,.0f} of "
                f"{total:,} steps, limit 0; action {few} has {int(a.counts[few]):,} ({percent(a.counts[few] / total)})",
                "rare_actions", len(rare), 0, basis, effect=0.2, affected=int(a.counts[rare].sum()),
                remedy="A good policy may need them rarely; look whether they occur where they matter.",
                evidence={str(i): int(a.counts[i]) for i in rare.tolist()[:50]},
            )  # fmt: skip

    # --- continuous ---

    def _vectors(self, a: ActionVectorsValues, basis: Basis) -> Iterator[Judgement]:
        if not a.finite:
            yield NotEvaluated("no step has finite actions", ACTION)
            return
        yield from self._bounds(a, basis)
        yield from self._constant(a, basis)
        yield from self._idle(a, basis)
        yield _heatmap(a)

    def _bounds(self, a: ActionVectorsValues, basis: Basis) -> Iterator[Judgement]:
        share = np.where(a.constant, 0.0, (a.at_low + a.at_high) / max(basis.rows, 1))
        for name, value in zip(a.names, share.tolist(), strict=True):
            yield Measurement("bound_share", (name,), value, basis, limit=self.bound)
        bad = np.flatnonzero(share >= self.bound)
        if not len(bad):
            return
        worst = int(np.argmax(share))
        names = [a.names[i] for i in bad[np.argsort(-share[bad], kind="stable")].tolist()]
        kind = "a declared bound" if a.declared else "the lowest or highest value that occurs (no bounds are declared)"
        yield Finding(
            self.code, tuple(names[:20]), Severity.INFO,
            f"action: {len(bad):,} of {len(a.names):,} entries are at "
            f"{kind} on at least {percent(self.bound)} of {basis.rows:,} steps; {a.names[worst]} on "
            f"{percent(float(share[worst]))}",
            "bound_share", float(share[worst]), self.bound, basis, effect=0.2,
            affected=int(a.at_low[worst] + a.at_high[worst]),
            remedy="Right for bang-bang control and for grippers; else find out whether actions were cut, and record "
            "the executed ones.",
            evidence={a.names[i]: {"low": int(a.at_low[i]), "high": int(a.at_high[i])} for i in bad.tolist()[:50]},
        )  # fmt: skip

    def _constant(self, a: ActionVectorsValues, basis: Basis) -> Iterator[Judgement]:
        names = [name for name, constant in zip(a.names, a.constant.tolist(), strict=True) if constant]
        yield Measurement("constant_entries", ACTION, len(names), basis, limit=0, unit="entries")
        if not names:
            return
        every = len(names) == len(a.names)
        yield Finding(
            self.code, tuple(names[:20]), Severity.WARN if every else Severity.INFO,
            f"action: {len(names):,} of {len(a.names):,} entries ({listed(names)}) have one value only over "
            f"{basis.rows:,} steps, limit 0",
            "constant_entries", len(names), 0, basis, effect=1.0 if every else 0.2,
            remedy="Leave them out of the action space, or find out why they were not moved.",
        )  # fmt: skip

    def _idle(self, a: ActionVectorsValues, basis: Basis) -> Iterator[Judgement]:
        count = int(a.idle.sum())
        share = count / max(a.finite, 1)
        yield Measurement("idle_share", ACTION, share, basis, limit=self.idle)
        if share > self.idle:
            yield Finding(
                self.code, ACTION, Severity.INFO,
                f"action: on {count:,} of {a.finite:,} steps ({percent(share)}) every entry is 0 or as on the step "
                f"before, limit {percent(self.idle)}",
                "idle_share", share, self.idle, basis, effect=share * 0.5, affected=count,
                remedy="Waiting can be part of the task; where it is not, weight such steps down for cloning.",
            )  # fmt: skip
        for statistic, steps, words in (
            ("leading_idle_share", a.leading, "start"),
            ("trailing_idle_share", a.trailing, "end"),
        ):
            yield from self._end(statistic, steps, words, a, basis)

    def _end(
        self,
        statistic: str,
        steps: np.ndarray[tuple[int], np.dtype[np.int64]],
        words: str,
        a: ActionVectorsValues,
        basis: Basis,
    ) -> Iterator[Judgement]:
        count = int(steps.sum())
        share = count / max(basis.rows, 1)
        yield Measurement(statistic, ACTION, share, basis, limit=self.ends)
        if share <= self.ends:
            return
        hit = int((steps > 0).sum())
        yield Finding(
            self.code, ACTION, Severity.WARN,
            f"action: {count:,} of {basis.rows:,} steps ({percent(share)}) are idle at the {words} of "
            f"{counted(hit, 'episode')}, limit {percent(self.ends)}",
            statistic, share, self.ends, basis, effect=share, affected=count, episodes=worst_episodes(a.ids, steps),
            row_ids=_rows(a, steps, words),
            remedy="Find out whether the recorder ran while nothing happened; a clone learns to stand still there.",
        )  # fmt: skip
        if words == "start":
            yield Repair(
                self.code, ACTION, statistic, "drop_steps", rows=spans(_leading(a)),
                reason="nothing is done on these steps at the start of the episode",
            )  # fmt: skip


def _leading(a: ActionVectorsValues) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return bool[N]: idle steps at the start of episodes in which something is done later."""
    offsets = np.concatenate([[0], np.cumsum(a.lengths)])
    step = np.arange(int(a.lengths.sum())) - np.repeat(offsets[:-1], a.lengths)
    own = np.where(a.leading < a.lengths, a.leading, 0)
    return np.asarray(step < np.repeat(own, a.lengths))


def _rows(a: ActionVectorsValues, steps: np.ndarray[tuple[int], np.dtype[np.int64]], words: str) -> tuple[int, ...]:
    """Return the first, or last, idle step of each episode, longest standstill first."""
    offsets = np.concatenate([[0], np.cumsum(a.lengths)])
    places = offsets[:-1] if words == "start" else offsets[1:] - 1
    order = np.argsort(-steps, kind="stable")
    return tuple(places[order[steps[order] > 0]][:MOST].tolist())


def _bars(a: ActionChoicesValues, total: int) -> View:
    order = np.arange(len(a.counts)) if len(a.counts) <= 20 else np.argsort(-a.counts, kind="stable")[:20]
    return View(
        Chart(
            "bars", "Steps of each action",
            {"labels": [str(i) for i in order.tolist()], "values": a.counts[order].tolist(), "total": total},
            "action", "steps",
        ),
        f"{total:,} steps over {len(a.counts):,} actions"
        + ("." if len(a.counts) <= 20 else "; the 20 most frequent are shown."),
    )  # fmt: skip


def _heatmap(a: ActionVectorsValues) -> View:
    """Return the histogram of a single entry, or one row of a heat map for each of several."""
    width = np.where(a.high > a.low, a.high - a.low, 1.0)
    bounds = "the declared bounds" if a.declared else "the lowest and highest value that occur"
    if len(a.names) == 1:
        return View(
            Chart(
                "histogram", f"Values of {a.names[0]}",
                {"edges": (a.low[0] + a.edges * width[0]).tolist(), "counts": a.counts[0].tolist()},
                a.names[0], "steps",
            ),
            f"Between {bounds}; {a.basis}.",
        )  # fmt: skip
    shown = min(len(a.names), 40)
    shares = a.counts[:shown] / np.maximum(a.counts[:shown].sum(axis=1, keepdims=True), 1)
    return View(
        Chart(
            "heatmap", "Values of each entry of the action, from its lower to its upper bound",
            {"rows": list(a.names[:shown]), "columns": [f"{edge:.0%}" for edge in a.edges[:-1]],
             "values": np.round(shares, 4).tolist(), "low": 0.0, "high": float(max(shares.max(), 1e-9))},
            "share of the range", "entry",
        ),
        f"Share of the steps in each twentieth of the range between {bounds}; {a.basis}; {shown} of {len(a.names)} "
        "entries.",
    )  # fmt: skip
