"""Profiles of the streams of trajectories (observation entries, actions, reward) for the report's explorer."""

from __future__ import annotations

from audit.dataset import Dataset
from audit.facts import Asks, Facts
from audit.result import ColumnProfile


def episode_profile_asks(_data: Dataset) -> Asks:
    """Return the facts that the profiles need."""
    return {}


def make_episode_profiles(_data: Dataset, _facts: Facts) -> tuple[ColumnProfile, ...]:
    """Return a profile of each stream."""
    return ()
