"""What is wrong with an episode that the model of the dynamics does not explain: undo a fault, and see if it fits.

Each fault that has a name is undone on paper; where the residuals collapse, the episode has its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes.transition_model import Model, inputs, shifted
from audit.engine.episodes.view import EpisodeView
from audit.episode_facts.dynamics import EPISODE_KINDS
from audit.sources.trajectories import names_of
from audit.stats.trimmed_regression import FAR
from audit.stats.verdicts import EpisodeScores

Places = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LAGGED, SCALED = EPISODE_KINDS.index("lagged"), EPISODE_KINDS.index("scaled")
SHUFFLED, INTERLEAVED = EPISODE_KINDS.index("shuffled"), EPISODE_KINDS.index("interleaved")
REVERSED, UNEXPLAINED = EPISODE_KINDS.index("reversed"), EPISODE_KINDS.index("unexplained")
COLLAPSE = 0.35
"""A fault is named where undoing it leaves at most this share of the episode's score."""
CHAIN = 0.6
"""Share of steps that must find their successor elsewhere in the episode before its order is called wrong."""
NEAR = 3.0
"""A successor must be so near, in multiples of the noise, to what the model predicts."""
FACTORS: tuple[tuple[float, str], ...] = (
    (180.0 / np.pi, "in degrees where others are in radians"),
    (np.pi / 180.0, "in radians where others are in degrees"),
    (-1.0, "with the opposite sign"),
    (1000.0, "1,000 times as large (milli-units)"),
    (0.001, "a thousandth as large"),
    (100.0, "100 times as large (per cent, or centimetres)"),
    (0.01, "a hundredth as large"),
)
SIGN = 2
MOST_STEPS = 200_000
MOST_SAID = 7.0
STEPS_EACH = 64
"""Steps of an episode that are tried with each factor."""
TRIED = 24
"""Episodes on which every entry is tried with every factor."""
MOST_NAMED = 6
MOST_PAIRED = 12


@dataclass(slots=True)
class Diagnosis:
    """int8[E] kind of each episode (place in `EPISODE_KINDS`), int8[E] its lag, and what was found, in words."""

    kind: NDArray[np.int8]
    lag: NDArray[np.int8]
    details: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Steps of some episodes: rows, the place (0 .. S-1) of their episode among the suspects, and its number."""

    rows: Places
    own: Places
    episodes: Places

    def mean(self, values: Floats) -> Floats:
        count = np.bincount(self.own, minlength=len(self.episodes))
        return np.bincount(self.own, values, len(self.episodes)) / np.maximum(count, 1)

    def spread(self, most: int) -> _Suspects:
        """Return at most so many of the episodes, evenly spread."""
        chosen = np.unique(np.linspace(0, len(self.episodes) - 1, most).astype(np.int64))
        place = np.full(len(self.episodes), -1)
        place[chosen] = np.arange(len(chosen))
        keep = place[self.own] >= 0
        return _Suspects(self.rows[keep], place[self.own[keep]], self.episodes[chosen])

    def subset(self, most: int) -> _Suspects:
        """Return at most so many steps of each episode, the first ones."""
        starts = np.searchsorted(self.own, np.arange(len(self.episodes)))
        keep = np.arange(len(self.rows)) - starts[self.own] < most
        return _Suspects(self.rows[keep], self.own[keep], self.episodes)


def diagnose(view: EpisodeView, model: Model, good: Flags, judged: Flags, scores: EpisodeScores) -> Diagnosis:
    """Name the fault of each outlying episode; episodes that are a little off are tried for a lag only."""
    episodes = view.trajectories.episodes
    found = Diagnosis(np.zeros(episodes, dtype=np.int8), np.zeros(episodes, dtype=np.int8))
    found.kind[scores.outlying] = UNEXPLAINED
    slightly = scores.outlying | (scores.mean > 1.2 * max(scores.usual, 0.8)) | (scores.share > 0.05)
    suspects = _steps_of(view, judged, np.flatnonzero(slightly), scores.mean)
    if len(suspects.episodes):
        _lags(view, model, good, suspects, scores, found=found)
    left = _steps_of(view, judged, np.flatnonzero(found.kind == UNEXPLAINED), scores.mean)
    if len(left.episodes):
        _scales(view, model, good, left, found)
    left = _steps_of(view, judged, np.flatnonzero(found.kind == UNEXPLAINED), scores.mean)
    if len(left.episodes):
        _order(view, model, good, left, found)
    return found


def _steps_of(view: EpisodeView, judged: Flags, episodes: Places, badness: Floats) -> _Suspects:
    """Return the judged steps of episodes, the worst ones where they are too many to look at."""
    t = view.trajectories
    worst = episodes[np.argsort(-badness[episodes], kind="stable")]
    fits = np.cumsum(t.lengths[worst]) <= MOST_STEPS
    fits[:1] = True
    episodes = np.sort(worst[fits])
    rows = [np.arange(t.offsets[e], t.offsets[e + 1]) for e in episodes.tolist()]
    flat = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    own = np.repeat(np.arange(len(episodes)), t.lengths[episodes])
    keep = judged[flat]
    return _Suspects(flat[keep], own[keep], episodes)


def _badness(model: Model, good: Flags, residual: Floats) -> Floats:
    """Return the score of steps, at most `FAR`."""
    z = np.abs(residual[:, good]) / model.fit.noise[good]
    return np.asarray(np.minimum(z.max(axis=1), FAR))


def _logged(model: Model, good: Flags, residual: Floats) -> Floats:
    """Return the mean over entries of log(1 + score): it also falls where one of two wrong entries is mended."""
    return np.asarray(np.log1p(np.abs(residual[:, good]) / model.fit.noise[good]).mean(axis=1))


def _lags(
    view: EpisodeView, model: Model, good: Flags, suspects: _Suspects, scores: EpisodeScores, *, found: Diagnosis
) -> None:
    """Try the actions of the neighbouring steps, each on the steps that have one."""
    outlying = found.kind[suspects.episodes] == UNEXPLAINED
    for lag in (-1, 0, 1):
        fine = shifted(view, suspects.rows, lag)[1]
        if lag == model.lag or not fine.any():
            continue
        tried = _Suspects(suspects.rows[fine], suspects.own[fine], suspects.episodes)
        count = np.bincount(tried.own, minlength=len(tried.episodes))
        with_own = _badness(model, good, model.residuals(view, tried.rows))
        other = _badness(model, good, model.residuals(view, tried.rows, lag))
        now, then = tried.mean(with_own), tried.mean(other)
        # twice the log likelihood ratio of normal residuals, each at most 7 noises: a chance hit is ruled out
        gained = tried.mean(np.minimum(with_own, MOST_SAID) ** 2 - np.minimum(other, MOST_SAID) ** 2) * count
        usual = np.maximum(max(2.0 * scores.usual, 0.5), 0.2 * now)
        better = (then <= np.where(outlying, COLLAPSE, 0.8) * now) & (then <= usual) & (count >= 2)
        chance = 2.0 * np.log(max(len(found.kind), 2)) + 20.0
        # where outliers are common, some of them look like a lag by chance: then one or two of them say nothing
        sure = gained > chance * (4.0 if scores.usual_share > 0.05 else 1.0)
        hit = tried.episodes[better & sure]
        found.kind[hit] = LAGGED
        found.lag[hit] = lag


def _order(view: EpisodeView, model: Model, good: Flags, suspects: _Suspects, found: Diagnosis) -> None:
    """Look, for each step, which observation of the episode is what the model predicts to come next."""
    from scipy.spatial import cKDTree

    t = view.trajectories
    entries = model.entries[good]
    states = t.observations[suspects.rows]
    predicted = model.predict(view, states, shifted(view, suspects.rows, model.lag)[0])[:, good]
    noise = model.fit.noise[good]
    target = (states[:, entries] + predicted) / noise
    starts = np.searchsorted(suspects.own, np.arange(len(suspects.episodes) + 1))
    for place, episode in enumerate(suspects.episodes.tolist()):
        own = slice(starts[place], starts[place + 1])
        span = slice(t.offsets[episode], t.offsets[episode + 1])
        candidates = t.observations[span][:, entries] / noise
        finite = np.asarray(np.isfinite(candidates).all(axis=1))
        aims = np.asarray(np.isfinite(target[own]).all(axis=1))
        if finite.sum() < 5 or aims.sum() < 5:
            continue
        tree = cKDTree(np.where(finite[:, None], candidates, 1e30))
        near = tree.query(np.where(aims[:, None], target[own], -1e30), p=np.inf, distance_upper_bound=NEAR)
        distance, hit = np.asarray(near[0]), np.asarray(near[1])
        found_one = np.asarray(np.isfinite(distance), dtype=bool)
        here = suspects.rows[own] - t.offsets[episode]
        stride = hit[found_one] - here[found_one]
        moved = float(np.mean(found_one)), float(np.mean(stride == 1)) if len(stride) else 0.0
        distinct = len(np.unique(hit[found_one])) >= 0.5 * found_one.sum()
        if moved[0] < CHAIN or moved[1] > 0.5 or not distinct:
            continue
        if np.mean(stride == 2) >= CHAIN:
            found.kind[episode], what = INTERLEAVED, "two steps later"
        elif np.mean(stride == -1) >= CHAIN:
            found.kind[episode], what = REVERSED, "one step earlier"
        else:
            found.kind[episode], what = SHUFFLED, "elsewhere in the episode"
        found.details[episode] = f"{moved[0]:.0%} of its steps find what follows them {what}"


def _scales(view: EpisodeView, model: Model, good: Flags, suspects: _Suspects, found: Diagnosis) -> None:
    """Try entries, and pairs of them, with each factor: all on a few episodes, what fits there on all of them."""
    some = suspects.spread(TRIED).subset(STEPS_EACH)
    tries = _tries(model.entries, view.trajectories.discrete)
    now, after = _undone(view, model, good, some, tries)
    best = after.argmin(axis=0)
    fits = after.min(axis=0) <= COLLAPSE * now
    if not fits.any():
        return
    votes = np.bincount(best[fits], minlength=len(tries))
    tries = [tries[i] for i in np.argsort(-votes, kind="stable")[:MOST_NAMED].tolist() if votes[i]]
    all_of = suspects.subset(STEPS_EACH)
    now, after = _undone(view, model, good, all_of, tries)
    names = names_of(view.trajectories.observation_space, "observation")
    for place in np.flatnonzero(after.min(axis=0) <= COLLAPSE * now).tolist():
        entries, number = tries[int(after[:, place].argmin())]
        episode = int(suspects.episodes[place])
        found.kind[episode] = SCALED
        what = " and ".join(names[j] for j in entries) or "the action"
        found.details[episode] = f"{what} {FACTORS[number][1]}"


def _tries(entries: Places, discrete: bool) -> list[tuple[tuple[int, ...], int]]:
    """Return (entries, place of the factor): single ones and, where they are few, pairs (an angle and its velocity).

    No entry means the action.
    """
    alone: list[tuple[int, ...]] = [(j,) for j in entries.tolist()]
    pairs: list[tuple[int, ...]] = []
    if len(entries) <= MOST_PAIRED:
        pairs = [(i, j) for i in entries.tolist() for j in entries.tolist() if i < j]
    tries = [(which, number) for number in range(len(FACTORS)) for which in alone + pairs]
    return tries if discrete else [((), SIGN), *tries]


def _undone(
    view: EpisodeView, model: Model, good: Flags, some: _Suspects, tries: list[tuple[tuple[int, ...], int]]
) -> tuple[Floats, Floats]:
    """Return float64[S], the score of each episode, and float64[tries, S], its score with entries divided."""
    t = view.trajectories
    states = t.observations[some.rows].astype(np.float64)
    following = view.following[0][some.rows].astype(np.float64)
    action_rows = shifted(view, some.rows, model.lag)[0]

    def score(divide: Floats, turn_actions: bool = False) -> Floats:
        now, then = states / divide, following / divide
        x, choice = inputs(view, now, action_rows)
        if turn_actions:
            x[:, states.shape[1] :] *= -1.0
        return some.mean(_logged(model, good, (then - now)[:, model.entries] - model.fit.predict(x, choice)))

    ones = np.ones(states.shape[1])
    after = []
    for entries, number in tries:
        divide = ones.copy()
        divide[list(entries)] = FACTORS[number][0]
        penalty = 1.1 if len(entries) > 1 else 1.0  # of two names that fit, the simpler one
        after.append(penalty * score(divide, not entries))
    return score(ones), np.array(after)
