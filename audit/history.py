"""Earlier runs in one embedded file, and whether the newest one is out of line with them.

A history keeps every number of every run: those of findings and of measurements that passed, the scores, and the size
of the data. A number is an anomaly when it lies more than `threshold` robust standard deviations (1.4826 x the median
absolute deviation, Rousseeuw and Croux 1993) from the median of the earlier runs of the same dataset; the run that is
judged is never among them. Fewer than `least` earlier runs are not judged.

The file is a DuckDB database. Writers wait for each other; a run is added whole or not at all, and once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import AuditError, SourceError

if TYPE_CHECKING:
    import duckdb

LEAST_RUNS = 7
THRESHOLD = 5.0
FLOOR = 0.01
WAIT_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY, started TIMESTAMPTZ, as_of TEXT, dataset TEXT NOT NULL, uri TEXT, status TEXT,
    tool_version TEXT, place BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS numbers (
    run TEXT NOT NULL, code TEXT NOT NULL, columns TEXT NOT NULL, segment TEXT NOT NULL, statistic TEXT NOT NULL,
    value DOUBLE NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a run: `code` is a check, or "dataset" (rows, columns, episodes) or "score"."""

    code: str
    columns: str
    segment: str
    statistic: str
    value: float

    @property
    def series(self) -> tuple[str, str, str, str]:
        """What makes it comparable over runs."""
        return (self.code, self.columns, self.segment, self.statistic)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A number that is out of line: `value` against the `median` of `runs` earlier ones; `deviations` is signed."""

    number: Number
    median: float
    scale: float
    runs: int

    @property
    def deviations(self) -> float:
        """How many robust standard deviations it is away from the median."""
        return (self.number.value - self.median) / self.scale

    def __str__(self) -> str:
        """Return the sentence that people read."""
        subject = f" of {self.number.columns}" if self.number.columns else ""
        segment = f" [{self.number.segment}]" if self.number.segment else ""
        return (
            f"{self.number.code} {self.number.statistic}{subject}{segment} is {self.number.value:.6g}, "
            f"{abs(self.deviations):.1f} robust standard deviations {'above' if self.deviations > 0 else 'below'} the "
            f"median {self.median:.6g} of {self.runs} earlier runs"
        )


@dataclass(frozen=True, slots=True)
class Check:
    """What a comparison with earlier runs came to.

    Attributes:
        anomalies: the numbers out of line, farthest first.
        judged: how many numbers were compared.
        too_few: how many numbers have fewer earlier values than wanted.
        earlier: how many earlier runs of this dataset there are.
    """

    anomalies: tuple[Anomaly, ...]
    judged: int
    too_few: int
    earlier: int


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run as `show` lists it."""

    run: str
    started: str
    dataset: str
    status: str
    rows: int | None
    numbers: int


def numbers_of(result: Mapping[str, Any]) -> tuple[Number, ...]:
    """Return every number of a result (as `Result.to_dict` gives it), each series once."""
    found: dict[tuple[str, str, str, str], Number] = {}
    for number in _numbers(result):
        if math.isfinite(number.value):
            found.setdefault(number.series, number)
    return tuple(found.values())


def _numbers(result: Mapping[str, Any]) -> Iterator[Number]:
    for name in ("rows", "columns", "episodes"):
        if result["dataset"].get(name) is not None:
            yield Number("dataset", "", "", name, float(result["dataset"][name]))
    for score in result.get("scores", ()):
        if score["value"] is not None:
            yield Number("score", "", "", score["dimension"], float(score["value"]))
    measured = [(outcome["code"], entry) for outcome in result["outcomes"] for entry in outcome["measurements"]]
    for code, entry in [*((finding["code"], finding) for finding in result["findings"]), *measured]:
        value = entry["value"]
        if isinstance(value, int | float) and not isinstance(value, bool):
            columns = ", ".join(entry["columns"])
            yield Number(code, columns, entry["segment"] or "", entry["statistic"], float(value))


def add(history: str | Path, result: Mapping[str, Any]) -> bool:
    """Add a run, whole or not at all; return False where it is there already.

    Raises:
        SourceError: the file is no history, or another process holds it for too long.
    """
    run, dataset = result["run"], result["dataset"]
    rows = [(run["id"], *number.series, number.value) for number in numbers_of(result)]
    with _open(history, write=True) as connection:
        connection.execute(_SCHEMA)
        if connection.execute("SELECT count(*) FROM runs WHERE run = ?", [run["id"]]).fetchall()[0][0]:
            return False
        connection.execute("BEGIN")
        place = connection.execute("SELECT coalesce(max(place), 0) + 1 FROM runs").fetchall()[0][0]
        described = [run["id"], run["started"], result.get("settings", {}).get("as_of"), dataset["id"], dataset["uri"]]
        status = result["verdict"]["status"]
        connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*described, status, run["tool_version"], place]
        )
        _insert(connection, rows)
        connection.execute("COMMIT")
    return True


def _insert(connection: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]]) -> None:
    import pyarrow as pa

    names = ("run", "code", "columns", "segment", "statistic", "value")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    connection.register("added", table)
    connection.execute("INSERT INTO numbers SELECT run, code, columns, segment, statistic, value FROM added")
    connection.unregister("added")


def check(
    history: str | Path,
    result: Mapping[str, Any],
    *,
    least: int = LEAST_RUNS,
    threshold: float = THRESHOLD,
    floor: float = FLOOR,
) -> Check:
    """Compare a run with the earlier ones of the same dataset; the run itself is left out where it was added.

    Args:
        history: the file.
        result: as `load_result` or `Result.to_dict` gives it.
        least: earlier values that a number needs to be judged.
        threshold: robust standard deviations from the median that make an anomaly.
        floor: smallest standard deviation, as a share of the median: a number that never changed may move by a little.

    Raises:
        SourceError: the file is not there, is no history, or another process holds it for too long.
    """
    run, dataset = result["run"]["id"], result["dataset"]["id"]
    with _open(history, write=False) as connection:
        earlier = connection.execute(
            "SELECT count(*) FROM runs WHERE dataset = ? AND run <> ?", [dataset, run]
        ).fetchall()[0][0]
        rows = connection.execute(
            """
            WITH own AS (
                SELECT n.* FROM numbers n JOIN runs r ON n.run = r.run WHERE r.dataset = ? AND n.run <> ?
            ), middle AS (
                SELECT code, columns, segment, statistic, median(value) AS m FROM own GROUP BY ALL
            )
            SELECT code, columns, segment, statistic, any_value(m), median(abs(value - m)), count(*)
            FROM own JOIN middle USING (code, columns, segment, statistic) GROUP BY ALL
            """,
            [dataset, run],
        ).fetchall()
    known = {tuple(row[:4]): row[4:] for row in rows}
    anomalies, judged, too_few = [], 0, 0
    for number in numbers_of(result):
        median, deviation, count = known.get(number.series, (0.0, 0.0, 0))
        if count < least:
            too_few += 1
            continue
        judged += 1
        scale = max(1.4826 * deviation, floor * abs(median), 1e-9)
        if abs(number.value - median) > threshold * scale:
            anomalies.append(Anomaly(number, median, scale, count))
    anomalies.sort(key=lambda a: -abs(a.deviations))
    return Check(tuple(anomalies), judged, too_few, earlier)


def show(history: str | Path, dataset: str | None = None) -> tuple[PastRun, ...]:
    """Return the runs, the oldest first, of one dataset or of all.

    Raises:
        SourceError: as `check`.
    """
    with _open(history, write=False) as connection:
        rows = connection.execute(
            """
            SELECT r.run, strftime(r.started AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S'), r.dataset, r.status,
                   any_value(n.value) FILTER (n.code = 'dataset' AND n.statistic = 'rows'), count(n.value)
            FROM runs r LEFT JOIN numbers n ON n.run = r.run
            WHERE ? IS NULL OR r.dataset = ?
            GROUP BY r.run, r.started, r.dataset, r.status, r.place ORDER BY r.place
            """,
            [dataset, dataset],
        ).fetchall()
    return tuple(
        PastRun(run, started, name, status, None if count is None else int(count), numbers)
        for run, started, name, status, count, numbers in rows
    )


@contextmanager
def _open(history: str | Path, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file, waiting for other writers; a failure in the block leaves nothing half-written.

    Raises:
        SourceError: see `add` and `check`.
    """
    import duckdb

    path = Path(history)
    if not write and not path.exists():
        raise SourceError(f"there is no history {path}; start one with `audit history add {path} result.json`")
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=not write)
            break
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise SourceError(f"{path} is no history of audits: {str(error).splitlines()[0]}") from error
            if time.monotonic() > deadline:
                raise SourceError(f"another process has held {path} for {WAIT_SECONDS:.0f} s; try again") from error
            time.sleep(0.05)
    try:
        yield connection
    except duckdb.CatalogException as error:
        raise SourceError(f"{path} is a database, but no history of audits") from error
    except duckdb.Error as error:
        raise AuditError(f"{path}: {str(error).splitlines()[0]}") from error
    finally:
        connection.close()
