"""What a repair makes possible: the repaired set is audited again, and what is safe only now is done, too.

A recording that was cut at a gap may show, in its parts, that two episodes have one id; so cleaning goes on until
nothing is left that is safe. Without that, cleaning the clean set again would change it. What the plan declines or does
not name is not done here either, and nothing more goes into quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from audit.cleaning.proposals import propose, task_of
from audit.cleaning.repairs import Repaired, repair
from audit.cleaning.rules import Rule, rules_of
from audit.cleaning.write import own
from audit.result import Result
from rl_data.trajectories import Trajectories

MOST = 4
"""Rounds after the first; each needs an audit, and more than two were never seen to be needed."""

Audit = Callable[[Trajectories], Result]


def follow_up(
    source: Trajectories, repaired: Repaired, audit: Audit, declined: Collection[str]
) -> tuple[Repaired, tuple[Rule, ...], Result]:
    """Return the set after all rounds, what was done in them, and the last audit.

    Args:
        source: as read.
        repaired: after the first round.
        audit: audits trajectories.
        declined: ids of repairs that are not to be made.
    """
    rules: list[Rule] = []
    result = audit(own(repaired.clean, source, repaired.kept))
    for number in range(2, MOST + 2):
        now = repaired.clean
        offered = [
            replace(proposal, id=f"{proposal.id}-round-{number}")
            for proposal in propose(result, now)
            if proposal.repair.safe and proposal.repair.kind != "quarantine" and proposal.id not in declined
        ]
        if not offered:
            break
        tasks = [task_of(proposal) for proposal in offered]
        done = repair(now, tasks)
        if not done.clean.rows or all(effect.nothing for effect in done.effects.values()):
            break
        rules += rules_of(offered, tasks, done, now, "follow-up")
        repaired = joined(repaired, done)
        result = audit(own(repaired.clean, source, repaired.kept))
    return repaired, tuple(rules), result


def joined(first: Repaired, then: Repaired) -> Repaired:
    """Return two repairs, one after the other, as one of the first one's source."""
    dropped = dict(first.dropped)
    for name, rows in then.dropped.items():
        dropped[name] = np.sort(np.concatenate([dropped.get(name, rows[:0]), first.kept[rows]]))
    return replace(
        first,
        clean=then.clean,
        kept=first.kept[then.kept],
        dropped=dropped,
        effects={**first.effects, **then.effects},
    )
