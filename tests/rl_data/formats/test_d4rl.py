"""D4RL: flat arrays are cut at terminals and timeouts, and what the file cannot say is said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rl_data.formats import d4rl, detect
from rl_data.trajectories import TrajectoryError

h5py = pytest.importorskip("h5py")

ROWS = 20


def arrays(rows: int = ROWS, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    terminals = np.zeros(rows, bool)
    terminals[6] = True
    timeouts = np.zeros(rows, bool)
    timeouts[14] = True
    observations = rng.normal(size=(rows, 3)).astype(np.float32)
    return {
        "observations": observations,
        "actions": rng.uniform(-1, 1, (rows, 2)).astype(np.float32),
        "rewards": rng.normal(size=rows).astype(np.float32),
        "terminals": terminals,
        "timeouts": timeouts,
    } | changes


def write(path: Path, content: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in content.items():
            if array is not None:
                file.create_dataset(name, data=array)
    return path


def test_episodes_end_at_terminals_and_at_timeouts_and_the_rest_is_kept(tmp_path: Path) -> None:
    content = arrays()
    path = write(tmp_path / "hopper.hdf5", content)
    detected = detect(path)
    assert detected is not None
    assert detected.name == "d4rl"
    assert "`timeouts`" in detected.evidence
    read = d4rl.read(path)
    assert read.offsets.tolist() == [0, 7, 15, 20]
    assert read.steps.tolist() == [*range(7), *range(8), *range(5)]
    assert read.terminated is not None
    assert np.flatnonzero(read.terminated).tolist() == [6]
    assert read.truncated is not None
    assert np.flatnonzero(read.truncated).tolist() == [14]  # the last, unfinished episode gets no invented flag
    assert np.array_equal(read.observations, content["observations"])
    assert np.array_equal(read.actions, content["actions"])
    assert read.rewards is not None
    assert np.array_equal(read.rewards, content["rewards"])
    assert read.source_rows.tolist() == list(range(ROWS))
    assert read.source_files is not None
    assert read.source_files.tolist() == ["hopper.hdf5"] * 3
    assert read.next_observations is None
    assert any("next observation" in line for line in read.provenance.unknown)


def test_a_row_that_is_both_keeps_both_flags(tmp_path: Path) -> None:
    content = arrays()
    content["timeouts"][6] = True
    read = d4rl.read(write(tmp_path / "both.hdf5", content))
    assert read.episodes == 3
    assert read.terminated is not None
    assert read.truncated is not None
    assert read.terminated[6]
    assert read.truncated[6]


def test_without_timeouts_truncated_stays_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "old.hdf5", arrays(timeouts=None))
    read = d4rl.read(path)
    assert read.truncated is None
    assert read.offsets.tolist() == [0, 7, 20]
    assert any(line.startswith("truncated:") for line in read.provenance.unknown)
    assert "no `timeouts`" in (d4rl.matches(path) or "")


def test_optional_parts_are_read_and_others_are_named(tmp_path: Path) -> None:
    following = np.random.default_rng(1).normal(size=(ROWS, 3))
    log_probability = np.linspace(-3, 0, ROWS)
    content = arrays() | {
        "next_observations": following,
        "infos/action_log_probs": log_probability,
        "infos/qpos": np.zeros((ROWS, 5)),
        "metadata/algorithm": "SAC",
        "metadata/iteration": 7,
        "metadata/policy/fc0/weight": np.zeros((4, 4)),
    }
    read = d4rl.read(write(tmp_path / "full.hdf5", content))
    assert read.next_observations is not None
    assert np.array_equal(read.next_observations, following.astype(np.float32))
    assert read.has_next is not None
    assert read.has_next.all()
    assert read.behaviour_log_prob is not None
    assert np.array_equal(read.behaviour_log_prob, log_probability)
    assert read.provenance.declared["metadata"] == {"algorithm": "SAC", "iteration": 7}
    skipped = " ".join(read.provenance.skipped)
    assert "infos/qpos: 20x5 of float64 values, not read" in skipped
    assert "metadata/policy/fc0/weight" in skipped


def test_flags_of_other_types_and_shapes_are_taken(tmp_path: Path) -> None:
    plain = arrays()
    changes = {name: plain[name].astype(np.float32)[:, None] for name in ("terminals", "timeouts")}
    read = d4rl.read(write(tmp_path / "columns.hdf5", arrays(rewards=plain["rewards"][:, None], **changes)))
    assert read.offsets.tolist() == [0, 7, 15, 20]
    assert read.rewards is not None
    assert read.rewards.shape == (ROWS,)


def test_choices_are_told_from_vectors(tmp_path: Path) -> None:
    read = d4rl.read(write(tmp_path / "choices.hdf5", arrays(actions=np.arange(ROWS) % 4)))
    assert read.discrete
    assert read.action_space.size == 4
    assert read.actions.dtype == np.int32


def test_images_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    read = d4rl.read(write(tmp_path / "atari.hdf5", arrays(observations=np.zeros((ROWS, 4, 84, 84), np.uint8))))
    assert read.observations.shape == (ROWS, 0)
    assert read.provenance.skipped == ("observations: 20 images of 4x84x84, counted and not read",)


@given(flags=st.lists(st.sampled_from([(0, 0), (0, 0), (1, 0), (0, 1), (1, 1)]), min_size=1, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_no_row_is_lost_and_flags_only_end_episodes(tmp_path: Path, flags: list[tuple[int, int]]) -> None:
    ends = np.array(flags, dtype=bool)
    content = (
        arrays(len(flags), terminals=ends[:, 0], timeouts=ends[:, 1])
        if len(flags) > 14
        else {
            "observations": np.zeros((len(flags), 1)),
            "actions": np.zeros((len(flags), 1)),
            "rewards": np.zeros(len(flags)),
            "terminals": ends[:, 0],
            "timeouts": ends[:, 1],
        }
    )
    read = d4rl.read(write(tmp_path / "random.hdf5", content))
    assert read.rows == len(flags)
    assert read.lengths.min() > 0
    flagged = set(np.flatnonzero(ends.any(axis=1)).tolist())
    assert flagged <= set((read.offsets[1:] - 1).tolist()) <= flagged | {len(flags) - 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.zeros((19, 2))}, "19 actions for 20 observations"),
        ({"actions": 3.0}, "`actions` is one value instead of one for each step"),
        ({"terminals": np.full(ROWS, 0.5)}, "`terminals` is no flag: 20 of 20 values are not 0 or 1"),
        ({"rewards": np.zeros((ROWS, 2))}, "`rewards` has 2 numbers a step"),
        ({"rewards": np.array([b"one"] * ROWS)}, "`rewards` holds text, which is refused"),
        ({"actions": np.zeros(ROWS, dtype="V8")}, r"`actions` holds opaque bytes \(such as pickled objects\)"),
        ({"actions": np.full(ROWS, 2**40)}, "no numbers of choices"),
    ],
)
def test_bad_arrays_are_named_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "bad.hdf5", arrays(**changes))
    with pytest.raises(TrajectoryError, match=message) as raised:
        d4rl.read(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_lists_of_varying_length_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "ragged.hdf5", arrays(observations=None))
    with h5py.File(path, "a") as file:
        ragged = file.create_dataset("observations", (ROWS,), dtype=h5py.vlen_dtype(np.float32))
        for row in range(ROWS):
            ragged[row] = np.zeros(row % 3 + 1, np.float32)
    with pytest.raises(TrajectoryError, match="`observations` holds float32 arrays of varying length"):
        d4rl.read(path)


def test_a_link_into_another_file_is_not_followed(tmp_path: Path) -> None:
    other = write(tmp_path / "other.hdf5", {"actions": np.zeros((ROWS, 2))})
    path = write(tmp_path / "linked.hdf5", arrays(actions=None))
    with h5py.File(path, "a") as file:
        file["actions"] = h5py.ExternalLink(str(other), "/actions")
    with pytest.raises(TrajectoryError, match="`actions` is a link into another file"):
        d4rl.read(path)


def test_damage_inside_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.hdf5"
    with h5py.File(path, "w") as file:
        for name, array in arrays().items():
            file.create_dataset(name, data=array, chunks=array.shape, fletcher32=True)
        place = file["rewards"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(TrajectoryError, match="`rewards` cannot be read"):
        d4rl.read(path)


def test_a_file_without_rows_holds_no_episode(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.hdf5", {name: array[:0] for name, array in arrays().items()})
    with pytest.raises(TrajectoryError, match="it holds no episode"):
        d4rl.read(path)


@given(damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_whatever_is_damaged_the_answer_is_data_or_one_line(tmp_path: Path, damage: list[tuple[float, int]]) -> None:
    path = tmp_path / "damaged.hdf5"
    write(path, arrays())
    content = bytearray(path.read_bytes())
    for place, byte in damage:
        content[int(place * len(content))] = byte
    path.write_bytes(bytes(content))
    message, rows = "", 0
    try:
        d4rl.matches(path)
        rows = d4rl.read(path).rows
    except TrajectoryError as error:
        message = str(error)
    assert rows > 0 or message.startswith(str(path))
    assert "\n" not in message


def test_without_h5py_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "hopper.hdf5", arrays())
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(TrajectoryError, match=r"needs the package h5py; install it with .*dataset-audit\[rl\]"):
        d4rl.matches(path)


def test_files_that_are_none_say_what_they_are(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.hdf5", arrays()).read_bytes()
    cut = tmp_path / "cut.hdf5"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrajectoryError, match=r"cut\.hdf5: the HDF5 file is cut off after"):
        d4rl.read(cut)
    text = tmp_path / "text.hdf5"
    text.write_text("<html>404</html>")
    with pytest.raises(TrajectoryError, match="not an HDF5 file"):
        d4rl.read(text)
    assert d4rl.matches(text) is None
    pointer = tmp_path / "pointer.hdf5"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(TrajectoryError, match="git lfs pull"):
        d4rl.read(pointer)
    with pytest.raises(TrajectoryError, match="no such file"):
        d4rl.read(tmp_path / "absent.hdf5")


def test_an_unknown_layout_is_no_d4rl_and_is_described(tmp_path: Path) -> None:
    from rl_data.formats import hdf5, read

    path = write(tmp_path / "weights.h5", {"layer1/kernel": np.zeros((2, 2)), "layer2/kernel": np.zeros((2, 2))})
    assert d4rl.matches(path) is None
    assert hdf5.describe(path) == "an HDF5 file with layer1, layer2 at its top"
    with pytest.raises(TrajectoryError, match=r"weights\.h5: an HDF5 file"):
        read(path)
