"""Balance of classes against scipy, scikit-learn and cleanlab, and what must hold whatever the counts."""

from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.stats.balance import (
    balance_of,
    chance_variation,
    class_weights,
    entropy,
    homogeneity,
    is_rare,
    total_variation,
)

COUNTS = st.lists(st.integers(1, 100_000), min_size=1, max_size=40)


@given(COUNTS)
def test_entropy_is_scipys(counts: list[int]) -> None:
    from scipy import stats

    assert entropy(counts) == pytest.approx(float(stats.entropy(counts)), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_balance_keeps_its_bounds(counts: list[int]) -> None:
    balance = balance_of(counts)
    assert balance.ratio >= 1
    assert 0 <= balance.evenness <= 1
    assert 1 - 1e-9 <= balance.inverse_simpson <= balance.effective_classes + 1e-9 <= len(counts) + 1e-6
    assert balance.total == sum(counts)


@given(COUNTS, st.randoms(use_true_random=False))
def test_order_of_classes_and_duplication_change_nothing(counts: list[int], random: Random) -> None:
    shuffled = list(counts)
    random.shuffle(shuffled)
    one, other = balance_of(counts), balance_of([3 * c for c in shuffled])
    assert one.ratio == pytest.approx(other.ratio)
    assert one.effective_classes == pytest.approx(other.effective_classes)


def test_fifty_fifty_is_perfect_and_a_single_class_is_not() -> None:
    assert balance_of([500, 500]).evenness == pytest.approx(1.0)
    assert balance_of([500, 500]).ratio == 1
    # ydata-profiling scores a single class 0 = "balanced"; here evenness 0 is the worst there is
    assert balance_of([1000]).evenness == 0
    assert balance_of([1000, 0]).classes == 1


def test_nothing_has_no_balance() -> None:
    with pytest.raises(ValueError, match="no class has rows"):
        balance_of([0, 0])
    with pytest.raises(ValueError, match="negative"):
        balance_of([3, -1])


def test_class_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    y = np.repeat([0, 1, 2], [700, 250, 50])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(class_weights(np.bincount(y)), expected, rtol=1e-12)


@pytest.mark.parametrize("counts", [[960, 40], [940, 60], [500, 500], [600, 390, 10], [340, 330, 330]])
def test_rare_classes_are_cleanlabs(counts: list[int]) -> None:
    manager = pytest.importorskip("cleanlab.datalab.internal.issue_manager.imbalance").ClassImbalanceIssueManager
    labels = np.repeat(np.arange(len(counts)), counts)
    lab = SimpleNamespace(labels=labels, class_names=range(len(counts)), _label_map={k: k for k in range(len(counts))})
    cleanlab = manager(lab, threshold=0.1)
    cleanlab.find_issues()
    flagged = np.unique(labels[cleanlab.issues[f"is_{cleanlab.issue_name}_issue"].to_numpy()])
    np.testing.assert_array_equal(np.flatnonzero(is_rare(counts, 0.1)), flagged)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=20).filter(
        lambda pairs: sum(a for a, _ in pairs) > 0 and sum(b for _, b in pairs) > 0
    )
)
def test_total_variation_is_a_distance(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    distance = total_variation(a, b)
    assert 0 <= distance <= 1
    assert distance == total_variation(b, a)
    assert total_variation(a, a) == 0
    assert distance == pytest.approx(total_variation(7 * a, b))
    # scipy's Wasserstein distance is TVD only for two classes; the L1 norm is the oracle here
    assert distance == pytest.approx(np.abs(a / a.sum() - b / b.sum()).sum() / 2, rel=1e-9, abs=1e-12)


def test_total_variation_of_disjoint_classes_is_one() -> None:
    assert total_variation([10, 0], [0, 3]) == 1
    with pytest.raises(ValueError, match="same classes"):
        total_variation([1], [1, 2])
    with pytest.raises(ValueError, match="needs rows"):
        total_variation([0, 0], [1, 2])


def test_chance_variation_is_what_chance_gives() -> None:
    random = np.random.default_rng(0)
    p = np.full(50, 0.02)
    seen = [total_variation(random.multinomial(400, p), random.multinomial(900, p)) for _ in range(300)]
    expected = [chance_variation(random.multinomial(400, p), random.multinomial(900, p)) for _ in range(300)]
    assert np.mean(expected) == pytest.approx(np.mean(seen), rel=0.03)


def test_homogeneity_is_scipys_chi_square() -> None:
    from scipy.stats import chi2_contingency

    table = [[120, 60, 20], [100, 70, 30], [400, 210, 90]]
    oracle = chi2_contingency(table, correction=False)
    ours = homogeneity(table)
    assert ours.statistic == pytest.approx(oracle.statistic, rel=1e-9)
    assert ours.dof == oracle.dof
    assert ours.p_value == pytest.approx(oracle.pvalue, rel=1e-9)


def test_homogeneity_pools_rare_classes() -> None:
    from scipy.stats import chi2_contingency

    table = np.array([[100, 80, 1, 2, 3], [120, 90, 2, 1, 4]])
    pooled = np.array([[100, 80, 6], [120, 90, 7]])
    assert homogeneity(table).p_value == pytest.approx(chi2_contingency(pooled, correction=False).pvalue, rel=1e-9)
    assert homogeneity([[5, 0], [7, 0]]).p_value == 1
    assert homogeneity([[5, 3]]).p_value == 1


def test_many_rare_classes_raise_no_false_alarm() -> None:
    random = np.random.default_rng(1)
    p = random.dirichlet(np.ones(200))
    alarms = sum(
        homogeneity([random.multinomial(300, p), random.multinomial(1_000, p)]).p_value < 0.05 for _ in range(200)
    )
    assert alarms <= 20
