"""Little memory: what does not fit is spilled, the answer is the same, and nothing is left on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.engine.duckdb import Connection, Limits
from audit.errors import ConfigError, MemoryLimitError, SourceError

ROWS = 600_000
SELECT = ["KEY", "COM001", "COM006"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    ids = rng.permutation(ROWS)
    ids[:50] = ids[50:100]
    table = pa.table({"id": [f"customer number {i:030d}" for i in ids.tolist()], "x": rng.normal(size=ROWS)})
    path = tmp_path_factory.mktemp("large") / "large.parquet"
    pq.write_table(table, path)
    return path


def test_little_memory_gives_the_same_answers(path: Path, tmp_path: Path) -> None:
    little, much = (
        audit.run(str(path), key="id", select=SELECT, memory=memory, threads=2, spill=str(tmp_path))
        for memory in ("70MB", "2GB")
    )
    assert little.errors == ()
    assert little.to_dict()["findings"] == much.to_dict()["findings"]
    assert little.outcome("KEY002").findings[0].affected == 100
    assert list(tmp_path.iterdir()) == []


def test_statements_that_need_more_than_there_is_spill(path: Path, tmp_path: Path) -> None:
    with Connection(Limits("70MB", 2, str(tmp_path))) as connection:
        (folder,) = tmp_path.iterdir()
        connection.raw.execute(f"CREATE TEMP TABLE t AS SELECT * FROM read_parquet('{path}') ORDER BY id").fetchall()
        assert sum(file.stat().st_size for file in folder.iterdir()) > 0
        assert connection.rows("SELECT count(DISTINCT id) FROM t") == [(ROWS - 50,)]
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_says_what_to_allow(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MemoryLimitError, match="--memory"):
        audit.run(str(path), memory="2MB", spill=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_errors_leave_no_spill_folder(path: Path, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    with pytest.raises(SourceError):
        audit.run(str(tmp_path / "nowhere.parquet"), spill=str(spill))
    with pytest.raises(ConfigError, match="does not start with --memory"):
        audit.run(str(path), memory="1MMM", spill=str(spill))
    with pytest.raises(ConfigError, match="cannot spill to"):
        audit.run(str(path), spill=str(tmp_path / "nowhere"))
    assert list(spill.iterdir()) == []
