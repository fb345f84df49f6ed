"""Write the rows behind each finding to files: `--rows-out DIR`.

One CSV a finding that can say which rows it means, with the key columns first, the reason and the source's row number;
and `index.json` with the true total of each. Files get their names when they are complete.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.engine.plan import Engine
from audit.errors import AuditError
from audit.files import write_text
from audit.findings import Finding
from audit.result import Result, plain


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


def write_rows(result: Result, engine: Engine, folder: str | Path, limit: int = 1_000) -> None:
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
        condition = _condition(finding, engine)
        if condition is None:
            index.append(
                {**entry, "file": None, "total": finding.affected, "written": 0, "note": "no row-level evidence"}
            )
            continue
        total = finding.affected if finding.where is None else _total(engine, condition)
        name = f"{finding.code}-{_slug(finding)}-{fingerprint[:8]}.csv"
        written = _write(engine, result, finding, condition, path=target / name, limit=limit)
        index.append({**entry, "file": name, "total": total, "written": written})
    write_text(target / "index.json", json.dumps(plain(index), ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def _condition(finding: Finding, engine: Engine) -> str | None:
    if finding.where is not None:
        return f"CASE WHEN {finding.where} THEN 1 ELSE 0 END = 1"
    if finding.row_ids:
        return f"{engine.row_id} IN ({', '.join(str(int(row)) for row in finding.row_ids)})"
    return None


def _total(engine: Engine, condition: str) -> int:
    return int(engine.connection.rows(f"SELECT count(CASE WHEN {condition} THEN 1 END) FROM {engine.source}")[0][0])


def _write(engine: Engine, result: Result, finding: Finding, condition: str, *, path: Path, limit: int) -> int:
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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["reason", "source_row", *names])
    writer.writerows([finding.message, *("" if value is None else value for value in row)] for row in rows)
    write_text(path, text.getvalue())
    return len(rows)


def _slug(finding: Finding) -> str:
    words = "-".join(finding.columns) or "dataset"
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", words)[:60]
