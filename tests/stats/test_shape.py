"""The shape of a numeric target: known distributions have known tails, piles and humps."""

import numpy as np
import pytest

from audit.stats.shape import humps, piles, tail_share

RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.normal(size=200_000)


def test_tail_share_of_known_distributions() -> None:
    from scipy.stats import norm

    z = norm.ppf(0.995)
    assert tail_share(NORMAL) == pytest.approx(2 * (z * norm.pdf(z) + 0.005), rel=0.02)
    assert tail_share(RANDOM.exponential(size=200_000)) == pytest.approx(0.22, abs=0.02)
    assert tail_share(np.exp(1.5 * NORMAL)) > 0.5
    assert tail_share(np.ones(1_000)) == 0
    assert tail_share(NORMAL[:50]) == 0
    assert tail_share(5 * NORMAL - 3) == pytest.approx(tail_share(NORMAL))


def test_a_pile_stands_out_and_round_values_do_not() -> None:
    capped = np.minimum(NORMAL, 1.0)
    (pile,) = piles(capped)
    assert pile.value == 1.0
    assert pile.share == pytest.approx(0.159, abs=0.005)
    assert piles(NORMAL) == ()
    assert piles(RANDOM.integers(0, 5, 1_000).astype(float)) == ()
    assert piles(np.empty(0)) == ()


def test_two_piles_are_both_found() -> None:
    both = np.clip(NORMAL, -1.0, 1.2)
    assert [p.value for p in piles(both)] == [-1.0, 1.2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (NORMAL, 1),
        (np.concatenate([NORMAL, NORMAL + 6]), 2),
        (np.concatenate([NORMAL, NORMAL + 6, NORMAL - 7]), 3),
        (RANDOM.exponential(size=50_000), 1),
        (RANDOM.uniform(size=50_000), 1),
        (np.ones(500), 0),
        (NORMAL[:5], 0),
    ],
)
def test_humps_are_counted(values: np.ndarray, expected: int) -> None:
    assert humps(values) == expected
