"""Are the repairs that `audit clean` offers for a planted defect the ones that undo it, byte by byte?"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from audit.cleaning.proposals import Proposal, plan_of, propose, settle
from audit.cleaning.repairs import repair
from audit.result import Result
from audit.selftest import FOUND_BY
from rl_data.corrupt import Corrupted
from rl_data.trajectories import Trajectories


class Restored(Enum):
    """Whether the bytes of the clean set came back."""

    BY_DEFAULT = "yes, by default"
    ON_REQUEST = "yes, on request"
    NO = "no"


def restored(made: Corrupted, result: Result) -> Restored | None:
    """Make the repairs of the kind that undoes the defect, and compare with the clean set; None where none is exact.

    A shift loses the step at the edge of each episode, and the last step of what is left ends it: of the steps that
    are left, all observations, actions and rewards must have the bytes of the clean set, and all flags but those at the
    new ends.
    """
    if not made.undo.exact:
        return None
    proposals = propose(result, made.trajectories)
    wanted = [p for p in proposals if p.repair.code in FOUND_BY[made.name] and p.repair.kind == made.undo.kind]
    safe = [p for p in wanted if p.repair.safe]
    if safe and _same(made, safe):
        return Restored.BY_DEFAULT
    return Restored.ON_REQUEST if wanted and _same(made, wanted) else Restored.NO


def _same(made: Corrupted, proposals: list[Proposal]) -> bool:
    t, clean = made.trajectories, made.clean
    plan = plan_of(proposals, t, "planted", "")
    plan = plan.model_copy(update={"repairs": tuple(e.model_copy(update={"apply": True}) for e in plan.repairs)})
    done = repair(t, settle(plan, proposals, t, "the plan"))
    rows = made.rows[done.kept]
    lost = (
        made.episodes.sum() if made.undo.kind == "shift" else made.steps.sum() if made.undo.kind == "quarantine" else 0
    )
    if len(rows) != t.rows - lost:
        return False
    names = ["observations", "actions", "rewards", "terminated", "truncated"]
    names += ["next_observations"] if made.undo.kind == "rebuild_next" else []
    inside = np.ones(len(rows), dtype=bool)
    if made.undo.kind == "shift":
        inside[done.clean.last_rows] = False
    return all(_equal(done.clean, clean, rows, name, inside) for name in names)


def _equal(ours: Trajectories, theirs: Trajectories, rows: Any, name: str, inside: Any) -> bool:
    one, other = getattr(ours, name), getattr(theirs, name)
    if one is None or other is None:
        return one is other
    keep = inside if name in {"terminated", "truncated"} else slice(None)
    return bool(one[keep].tobytes() == other[rows][keep].tobytes())
