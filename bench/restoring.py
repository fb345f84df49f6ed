"""Do the repairs that `audit clean` offers for a planted defect undo it, byte by byte?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.cleaning.proposals import Proposal, plan_of, propose, settle
from audit.cleaning.repairs import repair
from audit.result import Result
from audit.selftest import FOUND_BY
from rl_data.corrupt import Corrupted
from rl_data.trajectories import Trajectories


@dataclass(frozen=True)
class Restored:
    """What came back.

    Attributes:
        share: of the planted steps that are still there, those with every byte of the clean set.
        asked: whether the repair waits for a person; else `audit clean` makes it by default.
        harmed: sound steps that were changed or dropped.
    """

    share: float
    asked: bool
    harmed: int


def restored(made: Corrupted, result: Result) -> Restored | None:
    """Make the repairs of the kind that undoes the defect, and compare with the clean set; None where none is exact.

    Compared are observations, actions, rewards and flags. A shift loses the step at the edge of each episode, so the
    flags at the ends that this makes are not compared.
    """
    if not made.undo.exact:
        return None
    offered = propose(result, made.trajectories)
    wanted = [p for p in offered if p.repair.code in FOUND_BY[made.name] and p.repair.kind == made.undo.kind]
    safe = [p for p in wanted if p.repair.safe]
    by_default = _compare(made, safe, asked=False)
    on_request = _compare(made, wanted, asked=True)
    return by_default if by_default.share >= on_request.share else on_request


def _compare(made: Corrupted, proposals: list[Proposal], *, asked: bool) -> Restored:
    t = made.trajectories
    plan = plan_of(proposals, t, "planted", "")
    plan = plan.model_copy(update={"repairs": tuple(e.model_copy(update={"apply": True}) for e in plan.repairs)})
    done = repair(t, settle(plan, proposals, t, "the plan"))
    kept = done.kept
    names = ["observations", "actions", "rewards", "terminated", "truncated"]
    names += ["next_observations"] if made.undo.kind == "rebuild_next" else []
    ends = np.zeros(len(kept), dtype=bool)
    if made.undo.kind == "shift":
        ends[done.clean.last_rows] = True
    right = np.ones(len(kept), dtype=bool)
    for name in names:
        same = _same(done.clean, made.clean, made.rows[kept], name)
        right &= same | ends if name in {"terminated", "truncated"} else same
    if made.undo.kind == "quarantine":  # what is wrong with a copy is that it is there
        right &= ~made.steps[kept]
    planted = made.steps[kept]
    left = int(planted.sum()) or int(made.undo.kind == "quarantine")
    harmed = int((~right & ~made.involved[kept]).sum()) + int((~made.involved).sum() - (~made.involved[kept]).sum())
    share = 1.0 - float((planted & ~right).sum()) / max(left, 1)
    return Restored(share, asked, harmed)


def _same(ours: Trajectories, theirs: Trajectories, rows: NDArray[np.int64], name: str) -> NDArray[np.bool_]:
    one, other = _bytes(getattr(ours, name)), _bytes(getattr(theirs, name)[rows])
    return np.asarray((one == other).all(axis=1))


def _bytes(array: Any) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)


def told(answers: list[Restored]) -> str:
    """Return a cell of the table: the worst of the trials."""
    if not answers:
        return "-"
    worst = min(answers, key=lambda answer: answer.share)
    how = "on request" if any(answer.asked for answer in answers) else "by default"
    harmed = max(answer.harmed for answer in answers)
    return f"{worst.share:.2f}, {how}" + (f"; {harmed} sound steps lost" if harmed else "")
