"""The number of processors, also where the system does not say which ones a process may use."""

from __future__ import annotations

import os

import pytest

from rl_data.processors import processors


def test_linux_says_which_processors_a_process_may_use() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not say it")
    assert processors() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("count", "expected"), [(8, 8), (None, 1)])
def test_elsewhere_it_is_the_machines_number(count: int | None, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows, where `os` has no such function, and where even the number may be unknown."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert processors() == expected
