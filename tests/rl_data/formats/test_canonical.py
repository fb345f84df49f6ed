"""The canonical form: what is written is what is read, faults included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_data.formats import canonical
from rl_data.formats.canonical_metadata import METADATA_KEY, fingerprint
from rl_data.trajectories import PER_ROW, Provenance, Space, Trajectories, TrajectoryError

HERE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectories:
    """Ragged episodes, empty ones too (not all), with any selection of the optional fields."""
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d, k = sum(lengths), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    discrete, has = draw(st.booleans()), rng.random(n) < 0.4

    def maybe(array: Any) -> Any:
        return array if draw(st.booleans()) else None

    observations = rng.normal(size=(n, d)).astype(np.float32)
    observations[rng.random((n, d)) < 0.1] = np.nan
    following = maybe(np.where(has[:, None], rng.normal(size=(n, d)), np.nan).astype(np.float32)) if has.any() else None
    ids = rng.permutation(100)[: len(lengths)]
    return Trajectories(
        episode_ids=ids if draw(st.booleans()) else np.array([f"run {i} ü" for i in ids]),
        offsets=offsets,
        steps=rng.integers(0, 5, n).astype(np.int32),
        observations=observations,
        actions=rng.integers(0, 3, n).astype(np.int32) if discrete else rng.normal(size=(n, k)).astype(np.float32),
        rewards=maybe(rng.choice([1.0, -np.inf, np.nan, 1e300], n)),
        terminated=maybe(rng.random(n) < 0.5),
        truncated=maybe(rng.random(n) < 0.5),
        source_rows=rng.integers(0, 2**60, n) if draw(st.booleans()) else np.arange(n),
        observation_space=Space("box", d, (-np.inf,) * d, (1.5,) * d, tuple(f"x{i}" for i in range(d))),
        action_space=Space("discrete", 3) if discrete else Space("box", k),
        provenance=Provenance("made", "here", {"a": "b"}, ("rewards?",), ("images: 3",), {"lengths": np.arange(2)}),
        next_observations=following,
        has_next=None if following is None else has,
        timestamps=maybe(rng.random(n)),
        behaviour_log_prob=maybe(-rng.random(n)),
        policy_ids=maybe(rng.choice(["a", "b"], n)),
        weights=maybe(rng.random(n)),
        ended=maybe(rng.random(n) < 0.5),
        infos={"speed": rng.random(n), "lap": rng.integers(0, 9, n), "torque": rng.random((n, 2)).astype(np.float32)},
        source_files=maybe(np.array([f"part-{i}.h5" for i in range(len(lengths))])),
        step_limit=maybe(500),
        fps=maybe(29.97),
        env_id=maybe("CartPole-v1"),
    )


def same(first: Trajectories, second: Trajectories) -> None:
    """Compare everything but the provenance."""
    for name in ("episode_ids", "offsets", *PER_ROW):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None), name
        if one is not None:
            assert one.dtype.kind == other.dtype.kind, name
            np.testing.assert_array_equal(one, other, err_msg=name)
    assert first.infos.keys() == second.infos.keys()
    for name, values in first.infos.items():
        assert values.dtype == second.infos[name].dtype
        np.testing.assert_array_equal(values, second.infos[name])
    for name in ("observation_space", "action_space", "step_limit", "fps", "env_id"):
        assert getattr(first, name) == getattr(second, name), name


@HERE
@given(trajectories(), st.sampled_from(["t.parquet", "t.arrow"]))
def test_what_is_written_is_read_and_the_same_content_gives_the_same_bytes(
    tmp_path: Path, made: Trajectories, name: str
) -> None:
    path = tmp_path / name
    canonical.write(made, path)
    first = path.read_bytes()
    read = canonical.read(path)
    same(made, read)
    if made.source_files is not None:
        some = made.lengths > 0  # the file of an episode without rows stands in no row
        assert read.source_files is not None
        np.testing.assert_array_equal(made.source_files[some], read.source_files[some])
    assert read.provenance.mapping["a"] == "b"
    assert read.provenance.declared["source_format"] == "made"
    assert read.provenance.declared["lengths"] == [0, 1]
    assert read.provenance.declared["sha256"] == fingerprint(made) == fingerprint(read)
    canonical.write(made, path)
    assert path.read_bytes() == first
    canonical.write(read, path)
    same(made, canonical.read(path))
    assert [p.name for p in tmp_path.iterdir() if p.name != path.name and p.name.startswith(".")] == []


@HERE
@given(trajectories(), st.integers(0, 2**32 - 1))
def test_interleaved_rows_are_gathered_in_file_order_and_step_numbers_stay(
    tmp_path: Path, made: Trajectories, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # a stable interleaving: any order of rows that keeps the order inside each episode
    episode = made.episode_of_row
    keys = rng.random(made.rows)
    for e in range(made.episodes):
        keys[episode == e] = np.sort(keys[episode == e])
    order = np.argsort(keys, kind="stable")
    path = tmp_path / "mixed.parquet"
    pq.write_table(canonical.to_table(made).take(pa.array(order)), path)
    read = canonical.read(path)
    back = [int(np.flatnonzero(made.episode_ids == i)[0]) for i in read.episode_ids[read.lengths > 0]]
    same(made.take(np.array(back)), read.take(np.flatnonzero(read.lengths > 0)))
    shown = episode[order]
    runs = 1 + int((np.diff(shown) != 0).sum())
    assert ("gathered" in read.provenance.mapping["episode_id"]) == (runs > len(np.unique(episode)))


def small(**changes: Any) -> Trajectories:
    fields: dict[str, Any] = {
        "episode_ids": np.array([0, 1]), "offsets": np.array([0, 2, 4]), "steps": np.array([0, 1, 0, 1], np.int32),
        "observations": np.arange(8, dtype=np.float32).reshape(4, 2), "actions": np.array([0, 1, 1, 0], np.int32),
        "rewards": np.ones(4), "terminated": np.array([0, 1, 0, 0], bool), "truncated": np.array([0, 0, 0, 1], bool),
        "source_rows": np.arange(4), "observation_space": Space("box", 2), "action_space": Space("discrete", 2),
        "provenance": Provenance("made", "here"),
    }  # fmt: skip
    return Trajectories(**{**fields, **changes})


def rewritten(made: Trajectories, path: Path, **columns: Any) -> Path:
    """Write a canonical file with some columns replaced (None: dropped)."""
    table = canonical.to_table(made)
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        if values is not None:
            table = table.append_column(name, values)
    pq.write_table(table, path)
    return path


def test_the_schema_is_the_documented_one(tmp_path: Path) -> None:
    made = small(next_observations=np.zeros((4, 2), np.float32), has_next=np.array([0, 0, 0, 1], bool))
    canonical.write(made, tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    kinds = {field.name: str(field.type) for field in schema}
    vector = "fixed_size_list<element: float>[2]"
    assert kinds == {
        "episode_id": "int64", "step": "int32", "observation": vector, "action": "int32", "reward": "double",
        "terminated": "bool", "truncated": "bool", "next_observation": vector, "source_row": "int64",
    }  # fmt: skip
    assert "done" not in schema.names
    nulls = pq.read_table(tmp_path / "t.parquet")["next_observation"].is_null().to_pylist()
    assert nulls == [True, True, True, False]
    metadata = json.loads(schema.metadata[METADATA_KEY])
    assert metadata["observation_space"]["size"] == 2
    assert metadata["source_format"] == "made"
    assert len(metadata["sha256"]) == 64
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_arrow_is_read_without_a_copy(tmp_path: Path) -> None:
    canonical.write(small(), tmp_path / "t.arrow")
    read = canonical.read(tmp_path / "t.arrow")
    for array in (read.observations, read.actions, read.rewards, read.steps):
        assert array is not None
        assert not array.flags.owndata


def test_doubled_and_missing_steps_stay_as_they_are(tmp_path: Path) -> None:
    steps = np.array([0, 0, 1, 7], np.int32)
    canonical.write(small(steps=steps), tmp_path / "t.parquet")
    assert canonical.read(tmp_path / "t.parquet").steps.tolist() == [0, 0, 1, 7]


def test_what_the_file_does_not_say_is_said(tmp_path: Path) -> None:
    path = rewritten(small(), tmp_path / "t.parquet", reward=None, terminated=None)
    table = pq.read_table(path).replace_schema_metadata(None)
    pq.write_table(table, path)
    read = canonical.read(path)
    assert read.rewards is None
    assert read.terminated is None
    assert read.truncated is not None
    assert any("`terminated`" in text for text in read.provenance.unknown)
    assert read.action_space == Space("discrete", 2)
    assert canonical.matches(path) is not None


def test_lists_without_a_fixed_size_are_read_and_other_columns_are_named(tmp_path: Path) -> None:
    lists = pa.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, None]], type=pa.list_(pa.float64()))
    path = rewritten(small(), tmp_path / "t.parquet", observation=lists, mood=pa.array(["x"] * 4))
    read = canonical.read(path)
    np.testing.assert_array_equal(read.observations[3], np.array([6, np.nan], np.float32))
    assert any("mood" in text for text in read.provenance.skipped)


def test_spaces_that_do_not_fit_the_rows_are_reported_not_believed(tmp_path: Path) -> None:
    canonical.write(small(observation_space=Space("box", 3), action_space=Space("box", 1)), tmp_path / "t.parquet")
    read = canonical.read(tmp_path / "t.parquet")
    assert read.observation_space == Space("box", 2)
    assert read.action_space == Space("discrete", 2)
    assert [where for where, _ in read.provenance.problems] == ["observation_space", "action_space"]


def test_metadata_that_are_no_json_leave_the_rows_readable(tmp_path: Path) -> None:
    table = canonical.to_table(small()).replace_schema_metadata({METADATA_KEY: b"{nonsense"})
    pq.write_table(table, tmp_path / "t.parquet")
    read = canonical.read(tmp_path / "t.parquet")
    assert read.rows == 4
    assert read.provenance.problems[0][0] == "schema metadata"


def test_metadata_of_other_shapes_are_ignored_by_name(tmp_path: Path) -> None:
    odd = {"mapping": [1], "fps": "fast", "problems": [1, ["a", "b"]], "empty_episodes": [7, [99, 5], [0, 1], ["x", 6]],
           "action_space": {"kind": "discrete"}, "declared": {"fine": 1}}  # fmt: skip
    table = canonical.to_table(small()).replace_schema_metadata({METADATA_KEY: json.dumps(odd).encode()})
    pq.write_table(table, tmp_path / "t.parquet")
    read = canonical.read(tmp_path / "t.parquet")
    assert read.episode_ids.tolist() == [0, 1, 5, 6]  # episodes without rows, beside the two that have some
    assert read.lengths.tolist() == [2, 2, 0, 0]
    assert read.provenance.declared == {"fine": 1}
    said = [f"{where}: {what}" for where, what in read.provenance.problems]
    assert said[0] == "a: b"
    assert "schema metadata: mapping is not dict: ignored" in said
    assert "schema metadata: fps is not float: ignored" in said
    assert "action_space: the declared space is not readable: taken from the arrays" in said


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"observation": pa.array([[0.0], [1.0], [2.0], [3.0, 4.0]])}, ["2 values", "row 3 (episode 1)", "1 of 4"]),
        ({"observation": pa.array([[0.0], None, [2.0], [3.0]])}, ["missing", "row 1 (episode 0)"]),
        ({"observation": pa.array([["a"], ["b"], ["c"], ["d"]])}, ["observation holds string", "not numbers"]),
        ({"observation": pa.array([[]] * 4, pa.list_(pa.float32()))}, ["empty vectors"]),
        ({"action": pa.array([0, 1, None, 1])}, ["action is missing", "row 2 (episode 1)"]),
        ({"action": pa.array([0, 1, 2**40, 1])}, ["1099511627776", "row 2 (episode 1)", "32 bits"]),
        ({"action": pa.array(["left"] * 4)}, ["action holds string"]),
        ({"action": None}, ["needs the column action"]),
        ({"step": pa.array([0, 1, None, 1])}, ["step is missing", "row 2"]),
        ({"terminated": pa.array([0, 1, 2, 0])}, ["terminated is 2", "row 2 (episode 1)", "not 0 or 1"]),
        ({"terminated": pa.array([True, None, None, True])}, ["terminated is missing", "2 of 4 rows"]),
        ({"reward": pa.array(["a", "b", "c", "d"])}, ["reward holds string"]),
        ({"episode_id": pa.array([0, 0, None, 1])}, ["episode_id is missing in row 2"]),
        ({"episode_id": pa.array([0.5, 0.5, 1.0, 1.0])}, ["episode_id", "not whole"]),
        ({"next_observation": pa.array([None, None, None, [1.0]])}, ["next_observation has 1 values, observation 2"]),
    ],
)
def test_bad_columns_are_named_with_row_and_episode(tmp_path: Path, columns: dict[str, Any], words: list[str]) -> None:
    path = rewritten(small(), tmp_path / "bad.parquet", **columns)
    with pytest.raises(TrajectoryError) as caught:
        canonical.read(path)
    message = str(caught.value)
    assert "bad.parquet" in message
    assert "\n" not in message
    for word in words:
        assert word in message


def test_files_that_are_no_tables_are_described(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    canonical.write(small(), whole)
    for name, content, words in (
        ("empty.parquet", b"", "empty"),
        ("cut.parquet", whole.read_bytes()[:-20], "cannot be read as Parquet"),
        ("lfs.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
        ("noise.parquet", b"\x00\x01\x02", "neither a table nor"),
    ):
        (tmp_path / name).write_bytes(content)
        assert canonical.matches(tmp_path / name) is None
        with pytest.raises(TrajectoryError, match=words) as caught:
            canonical.read(tmp_path / name)
        assert name in str(caught.value)
    pq.write_table(canonical.to_table(small()).slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(TrajectoryError, match="no rows"):
        canonical.read(tmp_path / "none.parquet")


def test_a_folder_of_parts_is_one_set(tmp_path: Path) -> None:
    made = small()
    (tmp_path / "set").mkdir()
    table = canonical.to_table(made).drop_columns(["source_row"])
    for part, (start, length) in {"part-10": (3, 1), "part-9": (0, 3)}.items():  # 10 comes after 9
        pq.write_table(table.slice(start, length), tmp_path / "set" / f"{part}.parquet")
    read = canonical.read(tmp_path / "set")
    np.testing.assert_array_equal(read.observations, made.observations)
    assert read.source_rows.tolist() == [0, 1, 2, 0]
    assert read.source_files is not None
    assert read.source_files.tolist() == ["part-9.parquet", "part-9.parquet"]
    pq.write_table(table.drop_columns(["reward"]), tmp_path / "set" / "part-11.parquet")
    with pytest.raises(TrajectoryError, match=r"part-11.*reward is missing"):
        canonical.read(tmp_path / "set")


def test_a_file_keeps_its_old_content_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    canonical.write(small(), path)
    before = path.read_bytes()
    with pytest.raises(TrajectoryError, match="cannot be written"):
        canonical.write(small(), tmp_path / "absent" / "t.parquet")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_a_subset_of_episodes_round_trips(tmp_path: Path) -> None:
    made = replace(small(), infos={"x": np.arange(4.0)})
    part = made.take(np.array([1]))
    canonical.write(part, tmp_path / "t.parquet")
    read = canonical.read(tmp_path / "t.parquet")
    same(part, read)
    assert read.source_rows.tolist() == [2, 3]
