"""Write the rows behind each finding to files: `--rows-out DIR`.

One CSV a finding that can say which rows it means, with the reason and the source's row number first; and `index.json`
with the true total of each. Files get their names when they are complete.

A row of a table comes with its key columns first. A step of trajectories comes with its file, row, episode and step
number, then one column an entry of its vectors; a finding that names episodes only gets all steps of these.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.engine.episodes import EpisodeEngine
from audit.engine.plan import Engine
from audit.errors import AuditError
from audit.files import write_text
from audit.findings import Finding
from audit.result import MOST_EPISODES, Result, plain
from rl_data.trajectories import Space, Trajectories

Line = list[Any]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one finding: the heads of the columns, the lines, and how many rows there are in truth."""

    heads: Line
    lines: list[Line]
    total: int | None


def make_folder(folder: str | Path) -> None:
    """Make the folder for rows: before the audit, so that nobody waits for one whose rows cannot be written.

    Raises:
        AuditError: it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditError(
            f"cannot make the folder {folder}: {error.strerror}; choose another with --rows-out"
        ) from error


def write_rows(result: Result, engine: Engine | EpisodeEngine, folder: str | Path, limit: int = 1_000) -> None:
    """Write the rows of each finding that names them into an existing folder, at most `limit` a finding.

    Raises:
        AuditError: the folder cannot be written.
    """
    target = Path(folder)
    index: list[Mapping[str, Any]] = []
    for finding in result.findings:
        fingerprint = result.fingerprint(finding)
        entry: dict[str, Any] = {
            "fingerprint": fingerprint,
            "code": finding.code,
            "columns": list(finding.columns),
            "reason": finding.message,
            "where": finding.where,
        }
        if isinstance(engine, Engine):
            rows = _table_rows(finding, engine, result, limit)
        else:
            rows = _steps(finding, engine.view.trajectories, limit)
        if rows is None:
            nothing = {"file": None, "total": finding.affected, "written": 0, "note": "no row-level evidence"}
            index.append({**entry, **nothing})
            continue
        name = f"{finding.code}-{_slug(finding)}-{fingerprint[:8]}.csv"
        _write(target / name, finding, rows)
        index.append({**entry, "file": name, "total": rows.total, "written": len(rows.lines)})
    write_text(target / "index.json", json.dumps(plain(index), ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def _write(path: Path, finding: Finding, rows: _Rows) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["reason", *rows.heads])
    writer.writerows([finding.message, *("" if value is None else value for value in line)] for line in rows.lines)
    write_text(path, text.getvalue())


def _table_rows(finding: Finding, engine: Engine, result: Result, limit: int) -> _Rows | None:
    condition = _condition(finding, engine)
    if condition is None:
        return None
    keys = [name for role in result.roles if role.role == "key" for name in role.columns]
    names = [*keys, *(c.name for c in engine.columns if c.name not in keys)]
    values = ", ".join(engine.dialect.as_text(engine.dialect.column(name)) for name in names)
    order = f"ORDER BY {engine.row_id}" if not finding.row_ids else ""
    rows = engine.connection.rows(
        f"SELECT {engine.row_id}{', ' if values else ''}{values} FROM {engine.source} WHERE {condition} {order} "
        f"LIMIT {int(limit)}"
    )
    if finding.row_ids:  # worst first, as the finding lists them
        place = {row: i for i, row in enumerate(finding.row_ids)}
        rows = sorted(rows, key=lambda row: place.get(int(row[0]), len(place)))
    total = finding.affected if finding.where is None else _total(engine, condition)
    return _Rows(["source_row", *names], [list(row) for row in rows], total)


def _condition(finding: Finding, engine: Engine) -> str | None:
    if finding.where is not None:
        return f"CASE WHEN {finding.where} THEN 1 ELSE 0 END = 1"
    if finding.row_ids:
        return f"{engine.row_id} IN ({', '.join(str(int(row)) for row in finding.row_ids)})"
    return None


def _total(engine: Engine, condition: str) -> int:
    return int(engine.connection.rows(f"SELECT count(CASE WHEN {condition} THEN 1 END) FROM {engine.source}")[0][0])


def _steps(finding: Finding, t: Trajectories, limit: int) -> _Rows | None:
    """Return the steps that a finding names, worst first; else those of the episodes that it names, in order."""
    if finding.row_ids:
        chosen = np.array(finding.row_ids[:limit], dtype=np.int64)
        total = finding.affected if finding.affected is not None else len(finding.row_ids)
    elif finding.episodes:
        place = {str(identity): i for i, identity in enumerate(t.episode_ids.tolist())}
        named = [place[identity] for identity in finding.episodes if identity in place]
        total = int(t.lengths[named].sum())
        if len(finding.episodes) >= MOST_EPISODES:  # there may be more than a finding names
            total = max(total, finding.affected or 0)
        chosen = _first_of([range(int(t.offsets[i]), int(t.offsets[i + 1])) for i in named], limit)
    else:
        return None
    if not len(chosen):
        return None
    columns = _columns(t, chosen)
    return _Rows(list(columns), [list(line) for line in zip(*columns.values(), strict=True)], total)


def _first_of(spans: list[range], limit: int) -> NDArray[np.int64]:
    rows: list[int] = []
    for span in spans:
        rows += span[: limit - len(rows)]
        if len(rows) >= limit:
            break
    return np.array(rows, dtype=np.int64)


def _columns(t: Trajectories, rows: NDArray[np.int64]) -> dict[str, Line]:
    """Return the columns of some steps by their heads; floats in as few digits as give them back."""
    episode = np.searchsorted(t.offsets, rows, side="right") - 1
    files = np.full(t.episodes, t.provenance.uri) if t.source_files is None else t.source_files
    columns: dict[str, Line] = {
        "source_file": files[episode].tolist(),
        "source_row": t.source_rows[rows].tolist(),
        "episode_id": t.episode_ids[episode].tolist(),
        "step": t.steps[rows].tolist(),
        **_vectors(t.observations[rows], "observation", t.observation_space),
    }
    actions = t.actions[rows]
    columns |= {"action": actions.tolist()} if actions.ndim == 1 else _vectors(actions, "action", t.action_space)
    numbers = {
        "reward": t.rewards, "terminated": t.terminated, "truncated": t.truncated, "ended": t.ended,
        "timestamp": t.timestamps, "behaviour_log_prob": t.behaviour_log_prob, "policy_id": t.policy_ids,
        "weight": t.weights,
    }  # fmt: skip
    columns |= {name: array[rows].tolist() for name, array in numbers.items() if array is not None}
    if t.next_observations is not None:
        given = np.ones(len(rows), dtype=bool) if t.has_next is None else t.has_next[rows]
        for head, values in _vectors(t.next_observations[rows], "next_observation", t.observation_space).items():
            columns[head] = [v if known else None for v, known in zip(values, given.tolist(), strict=True)]
    return columns


def _vectors(array: NDArray[Any], stream: str, space: Space) -> dict[str, Line]:
    """Return a column an entry of vectors: `action[elbow]` where the source names them all, else `action[1]`."""
    size = array.shape[1]
    names = space.names if len(set(space.names)) == size else tuple(map(str, range(size)))
    return {f"{stream}[{name}]": [str(value) for value in array[:, i]] for i, name in enumerate(names)}


def _slug(finding: Finding) -> str:
    words = "-".join(finding.columns) or "dataset"
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", words)[:60]
