"""The rules of a cleaning, made or not, and how the manifest tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.cleaning.proposals import Proposal, describe
from audit.cleaning.repairs import Effect, Repaired, Task
from rl_data.trajectories import Rows, Trajectories


@dataclass(frozen=True, slots=True)
class Rule:
    """A repair as it stands in the manifest: what it is, whether it was made, and what it did.

    Attributes:
        id, code, kind, what, reason, evidence: as in the plan.
        safe: whether it is made without being asked.
        applied: whether it was made.
        by: who said so: "default", "plan" or "person" (who added it to the plan).
        steps: that it touches.
        episodes: that it touches.
        effect: what it did; nothing where it was not made.
    """

    id: str
    code: str
    kind: str
    what: str
    reason: str
    evidence: str
    safe: bool
    applied: bool
    by: str
    steps: int
    episodes: int
    effect: Effect


def rules_of(
    proposals: Sequence[Proposal], tasks: Sequence[Task], repaired: Repaired, source: Trajectories, by: str
) -> tuple[Rule, ...]:
    """Return all repairs that the checks offer, in their order, then those that people added."""
    made = {task.id for task in tasks}
    offered = {proposal.id for proposal in proposals}
    rules = [
        Rule(
            id=proposal.id,
            code=proposal.repair.code,
            kind=proposal.repair.kind,
            what=describe(proposal.repair),
            reason=proposal.repair.reason,
            evidence=proposal.evidence,
            safe=proposal.repair.safe,
            applied=proposal.id in made,
            by=by,
            steps=proposal.steps(source),
            episodes=len(proposal.episodes),
            effect=repaired.effects.get(proposal.id, Effect()),
        )
        for proposal in proposals
    ]
    rules += [_added(task, repaired.effects[task.id], source) for task in tasks if task.id not in offered]
    return tuple(rules)


def _added(task: Task, effect: Effect, source: Trajectories) -> Rule:
    episodes = task.episodes if len(task.episodes) else np.unique(source.episode_of_row[task.rows])
    return Rule(
        id=task.id,
        code=task.code,
        kind=task.kind,
        what="added to the plan",
        reason=task.reason,
        evidence="",
        safe=False,
        applied=True,
        by="person",
        steps=len(task.rows) or int(source.lengths[episodes].sum()),
        episodes=len(episodes),
        effect=effect,
    )


def told(rule: Rule) -> dict[str, Any]:
    """Return a rule as the manifest tells it."""
    effect = rule.effect
    return {
        "id": rule.id,
        "code": rule.code,
        "kind": rule.kind,
        "what": rule.what,
        "reason": rule.reason,
        "evidence": rule.evidence,
        "safe": rule.safe,
        "applied": rule.applied,
        "by": rule.by,
        "touches": {"steps": rule.steps, "episodes": rule.episodes},
        "did": {
            "changed": effect.changed,
            "dropped": effect.dropped,
            "quarantined": effect.quarantined,
            "cuts": effect.cut,
        },
        "notes": list(effect.notes),
    }


def spans_of(rows: Rows) -> dict[str, Any]:
    """Return dropped steps by their place in the source, as half-open spans."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    parts = np.split(rows, breaks)
    return {"steps": len(rows), "rows": [[int(part[0]), int(part[-1]) + 1] for part in parts]}
