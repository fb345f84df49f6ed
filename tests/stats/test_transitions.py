"""The model of one step and the region of first observations."""

import numpy as np
from numpy.testing import assert_allclose

from audit.stats.transitions import fit_one_step, start_region


def pushed_cart(steps: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states, actions and next states of a damped cart, exactly linear."""
    random = np.random.default_rng(seed)
    states = random.normal(size=(steps, 2))
    actions = random.integers(0, 2, size=(steps, 1)).astype(float)
    nexts = states @ np.array([[1.0, 0.0], [0.1, 0.95]]) + (actions - 0.5) * np.array([0.0, 0.2])
    return states, actions, nexts


def test_a_linear_system_is_learned_exactly() -> None:
    states, actions, nexts = pushed_cart(500, 0)
    model = fit_one_step(states, actions, nexts)
    fresh = pushed_cart(100, 1)
    assert model.surprise(*fresh).max() < 0.01


def test_a_third_of_wrong_steps_neither_bends_the_model_nor_widens_what_is_usual() -> None:
    states, actions, nexts = pushed_cart(1_000, 0)
    wrong = np.arange(1_000) % 3 == 0
    broken = np.where(wrong[:, None], nexts[::-1], nexts)
    surprise = fit_one_step(states, actions, broken).surprise(states, actions, broken)
    assert surprise[~wrong].max() < 0.01
    assert np.quantile(surprise[wrong], 0.05) > 3


def test_surprise_is_in_units_of_the_changes_where_the_model_is_exact() -> None:
    states, actions, nexts = pushed_cart(1_000, 0)
    model = fit_one_step(states, actions, nexts, floor=0.1)
    change = np.abs(nexts - states)
    usual = np.quantile(change, 0.6, axis=0) * 1.6448536 / 0.8416212
    assert_allclose(model.usual, 0.1 * usual, rtol=1e-9)
    moved = nexts + np.array([0.5, 0.0])
    assert_allclose(model.surprise(states, actions, moved), 0.5 / (0.1 * usual[0]) / 2**0.5, rtol=1e-2)


def test_an_entry_that_mostly_rests_is_measured_by_how_it_moves() -> None:
    states, actions, nexts = pushed_cart(1_000, 0)
    resting = np.zeros(1_000)
    resting[::20] = 1.0
    states, nexts = (np.column_stack([both, extra]) for both, extra in ((states, 0 * resting), (nexts, resting)))
    model = fit_one_step(states, actions, nexts)
    assert model.usual[2] > 0.1
    assert np.isfinite(model.surprise(states, actions, nexts)).all()


def test_wide_systems_have_squares_instead_of_products() -> None:
    random = np.random.default_rng(0)
    states, actions = random.normal(size=(2_000, 20)), random.normal(size=(2_000, 2))
    model = fit_one_step(states, actions, states + 0.1 * states**2)
    assert model.weights.shape == (1 + 22 + 20, 20)
    assert model.surprise(states, actions, states + 0.1 * states**2).max() < 0.1


def test_the_region_holds_first_observations_and_not_what_is_far_in_one_entry() -> None:
    random = np.random.default_rng(0)
    firsts = random.uniform(-0.05, 0.05, size=(200, 4)).astype(np.float32)
    region = start_region(firsts, np.full(4, 0.5))
    assert region.holds(random.uniform(-0.05, 0.05, size=(1_000, 4)).astype(np.float32)).mean() > 0.99
    away = firsts.copy()
    away[:, 2] += 0.3
    assert not region.holds(away).any()


def test_a_region_agrees_with_the_plain_formula() -> None:
    random = np.random.default_rng(1)
    spread = np.array([1.0, 2.0, 0.5])
    region = start_region(random.normal(size=(30, 3)), spread)
    states = random.normal(size=(5_000, 3)) * 2
    squared = ((states - region.middle) / region.half) ** 2
    plain = (squared.mean(axis=1) <= 1) & (squared <= 9).all(axis=1)
    assert (region.holds(states) == plain).all()
    assert 0.05 < plain.mean() < 0.95
