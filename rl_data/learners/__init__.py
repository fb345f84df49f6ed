"""Learners by name. Each is one file, with a frozen `Config` and one method per equation.

Third parties add their own by entry points of the group `dataset_audit.learners`, whose values are subclasses of
`rl_data.learners.base.Learner`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from rl_data.errors import unknown

if TYPE_CHECKING:
    from rl_data.learners.base import Learner

LEARNERS: Mapping[str, str] = {
    "bc": "rl_data.learners.bc:BC",
    "q_learning": "rl_data.learners.q_learning:QLearning",
    "dqn": "rl_data.learners.dqn:DQN",
    "cql": "rl_data.learners.dqn:CQL",
    "ppo": "rl_data.learners.ppo:PPO",
    "iql": "rl_data.learners.iql:IQL",
    "td3_bc": "rl_data.learners.td3_bc:TD3BC",
}
"""Class by name."""

GROUP = "dataset_audit.learners"


def learner_class(name: str) -> type[Learner]:
    """Return the class of a learner.

    Raises:
        SettingsError: no learner has this name.
    """
    if name in LEARNERS:
        module, _, cls = LEARNERS[name].partition(":")
        return cast("type[Learner]", getattr(import_module(module), cls))
    plugins = {point.name: point for point in entry_points(group=GROUP)}
    if name in plugins:
        return cast("type[Learner]", plugins[name].load())
    known = [*LEARNERS, *plugins]
    raise unknown(f"learner {name!r}", name, known)
