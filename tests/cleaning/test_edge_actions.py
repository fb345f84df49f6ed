"""Actions at the edge of a shift: told where the dynamics tell actions on steps that know theirs, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audit.cleaning.edge_actions import told_by_dynamics
from rl_data.record import record
from rl_data.trajectories import Flags, Trajectories

pytest.importorskip("gymnasium", reason="needs the extra rl")


@pytest.fixture(scope="module")
def cartpole() -> Trajectories:
    return record("CartPole-v1", steps=3_000, seed=3)


def at_the_ends(t: Trajectories) -> tuple[Flags, Flags]:
    wanted = np.zeros(t.rows, dtype=bool)
    wanted[t.last_rows] = True
    return ~wanted, wanted


def test_the_push_of_the_last_step_is_told_by_how_the_pole_moved(cartpole: Trajectories) -> None:
    known, wanted = at_the_ends(cartpole)
    hidden = np.where(wanted, 0, cartpole.actions)
    told = told_by_dynamics(cartpole, hidden, known, wanted)
    assert set(told.rows) == set(cartpole.last_rows)
    assert (told.actions == cartpole.actions[told.rows]).all()
    assert told.words == "100% right"


def test_actions_without_effect_are_not_told(cartpole: Trajectories) -> None:
    known, wanted = at_the_ends(cartpole)
    noise = np.random.default_rng(0).integers(0, 2, cartpole.rows)
    assert len(told_by_dynamics(cartpole, noise, known, wanted).rows) == 0


def test_a_last_observation_of_another_episode_tells_nothing(cartpole: Trajectories) -> None:
    """What was recorded behind the end is the reset of the next episode: unlike any change that an action makes."""
    known, wanted = at_the_ends(cartpole)
    assert cartpole.next_observations is not None
    following = cartpole.next_observations.copy()
    following[cartpole.last_rows] = 5.0
    changed = replace(cartpole, next_observations=following)
    assert len(told_by_dynamics(changed, cartpole.actions, known, wanted).rows) == 0


def test_nothing_is_told_without_the_observation_behind_the_end(cartpole: Trajectories) -> None:
    known, wanted = at_the_ends(cartpole)
    blind = replace(cartpole, next_observations=None, has_next=None)
    assert len(told_by_dynamics(blind, cartpole.actions, known, wanted).rows) == 0


def test_vectors_are_told_where_the_change_is_linear_in_them() -> None:
    t = record("Pendulum-v1", steps=2_000, seed=1)
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((t.rows, 3)).astype(np.float32)
    following = np.roll(observations, -1, 0)
    actions = ((following - observations)[:, :1] * 2.0 + observations[:, 1:2]).astype(np.float32)
    made = replace(t, observations=observations, next_observations=following, has_next=None, actions=actions)
    known, wanted = at_the_ends(made)
    told = told_by_dynamics(made, actions, known, wanted)
    assert len(told.rows) >= 0.9 * wanted.sum()
    np.testing.assert_allclose(told.actions, actions[told.rows], atol=1e-2)
