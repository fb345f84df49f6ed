"""A comparison as lines for a terminal."""

from __future__ import annotations

from audit.learned import Arm, Learning


def summary(found: Learning) -> str:
    """Return the verdict, a line a set of data, and what cleaning did."""
    lines = [found.verdict, ""]
    lines.append(
        f"{'data':<10}{'episodes':>9}{'steps':>10}  return (interquartile mean over seeds, its bootstrap interval)"
    )
    lines += [_line(arm) for arm in found.arms]
    if found.recovered is not None:
        lines.append(f"recovered of what the faults cost: {found.recovered:.0%}")
    if found.repairs:
        lines += ["", "cleaning", *(f"  {text}" for text in found.repairs)]
    if found.notes:
        lines += ["", "notes", *(f"  {text}" for text in found.notes[:10])]
    return "\n".join(lines) + "\n"


def _line(arm: Arm) -> str:
    head = f"{arm.name:<10}{arm.episodes:>9,}{arm.steps:>10,}"
    problem = next((seed.problem for seed in arm.seeds if seed.problem), "")
    if arm.iqm is None:
        return f"{head}  {problem or 'no policy acted'}"
    spread = f" ({arm.interval.low:.4g} to {arm.interval.high:.4g})" if arm.interval else ""
    return f"{head}  {arm.iqm:.4g}{spread}" + (f"; {problem}" if problem else "")
