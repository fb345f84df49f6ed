"""How many processors this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """Return the number of processors, at least 1.

    Linux says which ones a process may use (containers and `taskset` give fewer than the machine has). macOS and
    Windows do not: there it is the machine's number.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
