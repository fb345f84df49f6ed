"""COM104: does each step lead to the observation that really followed it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from audit.checks import TRAJECTORY, register
from audit.checks._episodes import first_rows, named, spans, worst_episodes
from audit.checks.completeness._wording import counted, percent
from audit.dataset import Dataset, Kind
from audit.episode_facts.links import EpisodeJoins, EpisodeJoinValues, NextObservations, NextObservationValues
from audit.facts import Asks, Facts
from audit.findings import Basis, Chart, Finding, Judgement, Measurement, NotEvaluated, Repair, Severity, View

NEXT, OBSERVATION = ("next_observation",), ("observation",)
Flags = NDArray[np.bool_]


@register
@dataclass(frozen=True, slots=True)
class FinalAndNextObservations:
    """Next observations that are missing, copied, wrong or of another episode, and episodes that run into others.

    What it measures: over all steps, whether a given next observation is the step's own (while the next row differs),
        is not the next row's, or is the first of the next episode; truncated episodes without a final observation; and
        steps inside an episode after which the observation jumps, as no action explains, to where episodes begin. For
        the jumps, a model of one step (trimmed least squares, quadratic) is fitted on a sample and applied to every
        step that leads to where episodes begin; its surprise is the root mean square of residual / usual residual.
    Why it matters: value learners fit the step from observation to next observation. With copies in its place a learner
        that scores 489 on clean CartPole data scores 16; with episodes run together, 27.
    What to do: let `audit clean` take next observations from the following row where there is one, and take wrong ones
        away from the last step of terminated episodes, which need none. The last step of a truncated episode without a
        true one is of no use to value learners: drop it. Joined episodes are split; without being asked only where the
        given next observation proves the join.

    Options:
        fail: share (0 to 1) of the next observations given (of the steps, for joined episodes) above which the check
            fails; below it warns.
        rest: share (0 to 1) of steps without any change from which on copies on last steps say nothing.
        other: share (0 to 1) of contradicted next observations above which the field holds something else.
    """

    code: ClassVar[str] = "COM104"
    name: ClassVar[str] = "next-observations"
    dimension: ClassVar[str] = "completeness"
    kinds: ClassVar[Kind] = TRAJECTORY

    fail: float = 0.01
    rest: float = 0.01
    other: float = 0.5

    def ask(self, data: Dataset) -> Asks:
        """Ask for the next observations, for the joins, and for the limit."""
        return {"links": NextObservations(), "joins": EpisodeJoins(), "limit": data.episodes.step_limit}

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Judge what is missing, copied, leaked and contradicted, then joined episodes."""
        links: NextObservationValues = facts["links"]
        rows = len(links.linked)
        basis = Basis(rows, rows)
        yield from self._missing(links, basis)
        if links.given is not None:
            given = max(int(links.given.sum()), 1)
            yield from self._copied(links, given, basis)
            yield from self._leaked(links, basis)
            yield from self._contradicted(links, facts["joins"], given, basis)
        yield from self._joined(links, facts["joins"], facts["limit"], basis)

    def _severity(self, share: float) -> Severity:
        return Severity.FAIL if share > self.fail else Severity.WARN

    def _missing(self, links: NextObservationValues, basis: Basis) -> Iterator[Judgement]:
        last = links.is_last if links.given is None else links.is_last & ~links.given
        if links.terminated is not None:
            last = last & ~links.terminated
        flagged = links.truncated is not None
        if links.truncated is not None:
            last = last & links.truncated
        episodes = max(int(links.is_last.sum()), 1)
        share = int(last.sum()) / episodes
        if not last.any():
            yield Measurement("final_missing_share", NEXT, 0.0, basis, limit=0.0)
            return
        ids = worst_episodes(links.ids, links.per_episode(last))
        which = "were truncated and" if flagged else "may have been truncated and"
        yield Finding(
            self.code, NEXT, Severity.WARN if flagged else Severity.INFO,
            f"next_observation: {int(last.sum()):,} of {episodes:,} episodes ({percent(share)}) {which} lack the "
            f"observation after their last action, limit 0 ({named(ids)})",
            "final_missing_share", share, 0.0, basis, effect=min(share, 0.3), affected=int(last.sum()), episodes=ids,
            row_ids=first_rows(last),
            remedy="Record the final observation; value learners must leave these last steps out, imitation need not.",
        )  # fmt: skip
        if flagged:
            yield Repair(
                self.code, NEXT, "final_missing_share", "drop_steps", rows=spans(last),
                reason="the last step of a truncated episode leads to an observation that nobody recorded",
            )  # fmt: skip

    def _copied(self, links: NextObservationValues, given: int, basis: Basis) -> Iterator[Judgement]:
        copied = links.copied
        last = copied & links.is_last
        on_last = int(last.sum()) / max(int((links.is_last & links.given).sum()), 1) if links.given is not None else 0.0
        if links.at_rest > self.rest and on_last <= 10 * links.at_rest:
            copied = copied & ~last  # a system that often rests may rest in the last step, too
        if not copied.any():
            yield Measurement("copied_share", NEXT, int(links.copied.sum()) / given, basis, limit=0.0)
            return
        yield self._wrong(
            links, copied, given, "copied_share", words="are the step's own observation, while the system moves",
            remedy="Rebuild them from the following rows (`audit clean` does); a copy is no next observation.",
        )  # fmt: skip
        yield from self._rebuilt(links, copied, "copied_share", "a copy of the step's own observation")

    def _leaked(self, links: NextObservationValues, basis: Basis) -> Iterator[Judgement]:
        given = 1 if links.given is None else max(int((links.given & links.is_last).sum()), 1)
        if not links.leaked.any():
            yield Measurement("leaked_share", NEXT, 0.0, basis, limit=0.0)
            return
        yield self._wrong(
            links, links.leaked, given, "leaked_share",
            words="on the last step of an episode are the first observation of the next one",
            remedy="Take them away (`audit clean` does where the episode terminated); a shift by one row makes them.",
        )  # fmt: skip
        yield from self._rebuilt(links, links.leaked, "leaked_share", "the first observation of the next episode")

    def _contradicted(
        self, links: NextObservationValues, joins: EpisodeJoinValues, given: int, basis: Basis
    ) -> Iterator[Judgement]:
        wrong = links.contradicts & ~joins.joins
        share = int(wrong.sum()) / given
        if not wrong.any():
            yield Measurement("contradicted_share", NEXT, 0.0, basis, limit=0.0)
            return
        torn = int((wrong & joins.torn).sum())
        order = (
            f"; at {torn:,} of them the given one goes on and the rows do not: they are out of order" if torn else ""
        )
        remedy = "Rebuild them from the following rows, unless these are what is wrong."
        if 2 * torn > int(wrong.sum()):
            remedy = "Leave these episodes out; only the recorder knows the order."
        elif share > self.other:
            remedy = "Find out what the field holds: it may be of another time, in other units, or normalised."
        words = f"are not the observation of the next row{order}"
        yield self._wrong(links, wrong, given, "contradicted_share", words=words, remedy=remedy)
        if joins.torn.any():
            yield Repair(
                self.code, NEXT, "contradicted_share", "quarantine", episodes=_hit(links, joins.torn),
                reason="the next observations given go on, and the following rows do not: rows are out of order",
            )  # fmt: skip
        rest = wrong & ~joins.torn
        if share <= self.other and rest.any():
            what = "not the observation of the next row"
            yield from self._rebuilt(links, rest, "contradicted_share", what, safe=False)

    def _wrong(
        self,
        links: NextObservationValues,
        wrong: Flags,
        given: int,
        statistic: str,
        *,
        words: str,
        remedy: str,
    ) -> Finding:
        count = int(wrong.sum())
        share = count / given
        last = links.is_last if links.given is None else links.is_last & links.given
        on_last = int((wrong & last).sum()) / max(int(last.sum()), 1)
        ids = worst_episodes(links.ids, links.per_episode(wrong))
        return Finding(
            self.code, NEXT, self._severity(max(share, on_last)),
            f"next_observation: {count:,} of {given:,} given ({percent(share)}) {words}, limit 0 ({named(ids)})",
            statistic, share, 0.0, Basis(len(wrong), len(wrong)), effect=min(1.0, 0.2 + share), affected=count,
            episodes=ids, row_ids=first_rows(wrong), remedy=remedy,
        )  # fmt: skip

    def _rebuilt(
        self, links: NextObservationValues, wrong: Flags, statistic: str, what: str, *, safe: bool = True
    ) -> Iterator[Judgement]:
        """Rebuild where the next row or the flag `terminated` says how; else drop the last step, on request."""
        terminated = np.zeros(len(wrong), dtype=bool) if links.terminated is None else links.terminated
        inside, ended = wrong & links.linked, wrong & ~links.linked & terminated
        left = wrong & ~inside & ~ended
        if inside.any():
            yield Repair(
                self.code, NEXT, statistic, "rebuild_next", rows=spans(inside), safe=safe,
                reason=f"it is {what}; the following row of the episode holds the true one",
            )  # fmt: skip
        if ended.any():
            yield Repair(
                self.code, NEXT, statistic, "rebuild_next", rows=spans(ended), safe=safe,
                reason=f"it is {what}; a terminated episode needs none after its last step",
            )  # fmt: skip
        if left.any():
            yield Repair(
                self.code, NEXT, statistic, "drop_steps", rows=spans(left),
                reason=f"it is {what}, and nobody recorded the true one; the step is of no use to value learners",
            )  # fmt: skip

    def _joined(
        self, links: NextObservationValues, joins: EpisodeJoinValues, limit: int | None, basis: Basis
    ) -> Iterator[Judgement]:
        if joins.reason:
            yield NotEvaluated(f"joined episodes: {joins.reason}", OBSERVATION)
            return
        count = int(joins.joins.sum())
        if not count:
            yield Measurement("join_share", OBSERVATION, 0.0, basis, limit=0.0)
            return
        hit = links.per_episode(joins.joins)
        ids = worst_episodes(links.ids, hit)
        share = float((hit > 0).mean())
        lengths = np.diff(links.offsets)
        long = "" if limit is None else _over(int(((lengths > limit) & (hit > 0)).sum()), limit)
        proved = int(joins.certain.sum())
        yield Finding(
            self.code, OBSERVATION, self._severity(share),
            f"observation: {counted(int((hit > 0).sum()), 'episode')} of {len(hit):,} ({percent(share)}) run into "
            f"another one: after {counted(count, 'step')} of {len(joins.joins):,} the next row jumps to where episodes "
            f"begin (surprise {np.median(joins.surprises):.0f}, limit {joins.limit:g}){long}, limit 0 ({named(ids)})",
            "join_share", share, 0.0, basis, effect=min(1.0, 0.3 + share), affected=count, episodes=ids,
            row_ids=first_rows(joins.joins),
            remedy="Split the episodes there, and find out how each part ended; a lost end flag is the usual reason.",
            evidence={"proved_by_next_observation": proved, "first_observations": joins.starts},
        )  # fmt: skip
        yield from self._split(links, joins, limit)
        yield _surprise_view(joins)

    def _split(self, links: NextObservationValues, joins: EpisodeJoinValues, limit: int | None) -> Iterator[Judgement]:
        if joins.certain.any():
            yield Repair(
                self.code, OBSERVATION, "join_share", "split", rows=spans(joins.certain), safe=True,
                reason="the next observation given goes on where the episode is, and the next row is another episode's",
            )  # fmt: skip
        rest = joins.joins & ~joins.certain
        if rest.any():
            yield Repair(
                self.code, OBSERVATION, "join_share", "split", rows=spans(rest),
                reason="the next row jumps, as no action explains, to where episodes begin",
            )  # fmt: skip
        yield from _ended_by_the_task(self.code, links, joins, limit)


def _ended_by_the_task(
    code: str, links: NextObservationValues, joins: EpisodeJoinValues, limit: int | None
) -> Iterator[Judgement]:
    """Set `terminated` at joins before the limit, where the task is known to end, or the parts' lengths say so."""
    lengths = _lengths_of_parts(joins.joins, links.offsets)
    early = joins.joins & (lengths < (limit or 0))
    if links.terminated is None or limit is None or not early.any():
        return
    if (links.terminated & links.is_last).any():
        reason = f"in a task that terminates, a part of fewer than the limit of {limit:,} steps was ended by it"
    else:
        own = lengths[joins.joins]
        if float((own == np.median(own)).mean()) > 0.5:
            return  # a clock may have ended them
        reason = f"parts of different lengths, below the declared limit of {limit:,} steps, were ended by the task"
    yield Repair(
        code, OBSERVATION, "join_share", "relabel", rows=spans(early), field="terminated", value=True, reason=reason
    )


def _hit(links: NextObservationValues, steps: Flags) -> tuple[str, ...]:
    return tuple(links.ids[i] for i in np.flatnonzero(links.per_episode(steps)).tolist())


def _over(count: int, limit: int) -> str:
    return f"; {count:,} of them longer than the declared {limit:,} steps" if count else ""


def _lengths_of_parts(joins: Flags, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[N]: for each row, the steps from the start of its part (episode, or after a join) up to it."""
    starts = np.zeros(len(joins), dtype=bool)
    starts[offsets[:-1][np.diff(offsets) > 0]] = True
    starts[1:] |= joins[:-1]
    place = np.arange(len(joins))
    return np.asarray(place - np.maximum.accumulate(np.where(starts, place, 0)) + 1)


def _surprise_view(joins: EpisodeJoinValues) -> View:
    """Return the surprises of joins against those of other steps, on a logarithmic scale."""
    both = [np.log10(np.maximum(values, 1e-3)) for values in (joins.surprises, joins.usual)]
    edges = np.histogram_bin_edges(np.concatenate(both), bins=40)
    counts = [np.histogram(values, edges)[0] for values in both]
    chart = Chart(
        "histogram", "Surprise of one step, log10",
        {"edges": edges.tolist(), "counts": counts[0].tolist(), "reference": counts[1].tolist()},
        x_title="log10 of surprise", y_title="steps",
    )  # fmt: skip
    return View(chart, f"Steps that lead into another episode, compared with a sample of {len(joins.usual):,} steps.")
