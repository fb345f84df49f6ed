"""What chance alone gives: each statement about it agrees with scipy, with simulation or with its formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from audit.stats.agreement import gwet_ac1
from audit.stats.association import fisher_lower_bound
from audit.stats.cadence import chance_of_gap
from audit.stats.coverage import uncovered_patterns
from audit.stats.drift import novelty
from audit.stats.leakage import auc_z, rank_auc
from audit.stats.shape import tail_share


@pytest.mark.parametrize("seed", range(5))
def test_the_z_of_an_auc_is_that_of_mann_and_whitney(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive, negative = random.normal(0.4, 1, 40), random.normal(size=70)
    oracle = stats.mannwhitneyu(positive, negative, method="asymptotic", use_continuity=False, alternative="two-sided")
    auc = rank_auc(np.concatenate([positive, negative]), np.arange(110) < 40)
    assert auc == pytest.approx(max(oracle.statistic, 2800 - oracle.statistic) / 2800, rel=1e-9)
    assert 2 * stats.norm.sf(float(auc_z(auc, 40, 70))) == pytest.approx(oracle.pvalue, rel=1e-9)


@pytest.mark.parametrize(("r", "n"), [(0.95, 30), (-0.7, 100), (0.2, 1_000), (0.99, 5_000)])
def test_the_lower_bound_of_a_correlation_is_scipys_but_for_the_factor_for_ranks(r: float, n: int) -> None:
    # scipy has z -+ q / sqrt(n - 3); ours 1.06 / (n - 3): the same at another n
    x = np.random.default_rng(0).normal(size=n)
    noise = np.random.default_rng(1).normal(size=n)
    noise -= np.polyval(np.polyfit(x, noise, 1), x)
    y = r * (x - x.mean()) / x.std() + np.sqrt(1 - r * r) * noise / noise.std()
    found = stats.pearsonr(x, y)
    assert found.statistic == pytest.approx(r, rel=1e-9)
    low, high = found.confidence_interval(0.95)
    nearer = np.arctanh(min(abs(low), abs(high))) if low * high > 0 else 0.0
    width = np.arctanh(abs(r)) - nearer
    ours = np.arctanh(float(fisher_lower_bound(r, n)))
    assert np.arctanh(abs(r)) - ours == pytest.approx(np.sqrt(1.06) * width, rel=1e-9)


def test_holes_have_the_p_value_of_poisson() -> None:
    a = np.repeat([0, 0, 1, 1], [400, 0, 300, 300])
    b = np.repeat([0, 1, 0, 1], [400, 0, 300, 300])
    (hole,) = [u for u in uncovered_patterns([a, b], [2, 2], 30, most_attributes=2) if len(u.attributes) == 2]
    assert (hole.rows, hole.values) == (0, (0, 1))
    assert hole.expected == pytest.approx(400 * 300 / 1_000, rel=1e-12)
    assert hole.p_value == pytest.approx(stats.poisson.cdf(0, 120.0), rel=1e-9)


def test_what_is_new_by_chance_is_what_reshuffling_gives() -> None:
    random = np.random.default_rng(0)
    categories = random.zipf(1.6, 3_000) % 700
    shares = []
    for _ in range(300):
        random.shuffle(categories)
        shares.append(~np.isin(categories[:1_000], categories[1_000:]))
    seen = float(np.mean(shares))
    together = np.bincount(categories, minlength=700)
    part = np.bincount(categories[:1_000], minlength=700)
    assert novelty(together - part, part).expected == pytest.approx(seen, rel=0.03)


def test_a_gap_by_chance_is_never_rarer_than_said() -> None:
    random = np.random.default_rng(1)
    periods, rows, missing = 400, 600, 6
    hits = 0
    for _ in range(2_000):
        empty = random.poisson(rows / periods, periods) == 0
        runs = np.convolve(empty, np.ones(missing), "valid")
        hits += bool((runs == missing).any())
    bound = chance_of_gap(periods, rows, missing)
    assert bound == pytest.approx(400 * np.exp(-9), rel=1e-12)
    assert hits / 2_000 <= bound + 3 * np.sqrt(bound / 2_000)


def test_ac1_is_its_formula() -> None:
    random = np.random.default_rng(2)
    for k in (2, 3, 6):
        table = random.integers(1, 50, (k, k))
        given, other = np.repeat(np.indices((k, k)).reshape(2, -1), table.ravel(), axis=1)
        share = [(np.mean(given == c) + np.mean(other == c)) / 2 for c in range(k)]
        chance = sum(p * (1 - p) for p in share) / (k - 1)
        assert gwet_ac1(table) == pytest.approx((np.mean(given == other) - chance) / (1 - chance), rel=1e-9)


def test_the_share_of_the_tail_is_the_sum_of_sorted_squares() -> None:
    values = np.random.default_rng(3).standard_t(3, 5_000)
    squares = sorted(((v - np.mean(values)) ** 2 for v in values.tolist()), reverse=True)
    assert tail_share(values) == pytest.approx(sum(squares[:50]) / sum(squares), rel=1e-9)
