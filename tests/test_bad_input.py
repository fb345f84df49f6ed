"""Data that cannot be read: one clear line each, with what, where, what is allowed and what to do."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import SourceError
from audit.source import SourceOptions, open_relation


def complaint(data: object, **options: Any) -> str:
    """The one line that opening the data ends with."""
    with duckdb.connect() as connection, pytest.raises(SourceError) as raised:
        open_relation(connection, data, options=SourceOptions(**options))
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 1000
    return text


def parquet(path: Path) -> bytes:
    pq.write_table(pa.table({"a": range(1000)}), path)
    return path.read_bytes()


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    parquet(tmp_path / "orders.parquet")
    assert complaint(tmp_path / "order.parquet") == (
        f"{tmp_path}/order.parquet does not exist; did you mean 'orders.parquet'?"
    )
    assert "did you mean 'orders.parquet'?" in complaint(tmp_path / "orders.csv")
    assert complaint(tmp_path / "zzz.csv").endswith("; its folder holds 'orders.parquet'")
    assert complaint(tmp_path / "no" / "zzz.csv").endswith(f"; its folder {tmp_path}/no does not exist either")
    assert "no file matches the pattern" in complaint(f"{tmp_path}/*.csv")
    assert complaint([]).startswith("cannot read an object of type builtins.list")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.arrow", "a"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert complaint(tmp_path / name) == f"{name} is empty (0 bytes); write it again"


@pytest.mark.parametrize("keep", [4, 8, 100, -1, -8])
def test_a_truncated_parquet(keep: int, tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(whole[:keep])
    assert "a.parquet is truncated: it starts as Parquet, but its footer is missing" in complaint(
        tmp_path / "a.parquet"
    )


def test_a_parquet_with_a_broken_footer(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet")
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    (tmp_path / "a.parquet").write_bytes(whole[:start] + b"\xff" * 60 + whole[start + 60 :])
    assert complaint(tmp_path / "a.parquet").startswith(f"cannot read {tmp_path}/a.parquet as Parquet: ")


@pytest.mark.parametrize("cut", [10, 100, 300])
def test_a_truncated_arrow_file(cut: int, tmp_path: Path) -> None:
    table = pa.table({"a": range(1000)})
    for make, name in ((pa.ipc.new_file, "a.arrow"), (pa.ipc.new_stream, "b.arrow")):
        with make(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: cut if name == "a.arrow" else len(whole) - cut])
        assert "as Arrow" in complaint(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"a,b\n1,2\n", "CSV"),
        (b'{"a": 1}\n', "JSON"),
        (b"<html>", "HTML or XML"),
        (b"\x00\x01\x02" * 99, "binary of no"),
    ],
)
def test_another_content_than_the_suffix_says(content: bytes, looks: str, tmp_path: Path) -> None:
    for name, kind in (("a.parquet", "Parquet"), ("a.arrow", "Arrow")):
        (tmp_path / name).write_bytes(content)
        text = complaint(tmp_path / name)
        assert text.startswith(f"{name} is not {kind}: its content is ")
        assert looks in text


def test_a_git_lfs_pointer(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    assert complaint(tmp_path / "a.parquet") == "a.parquet is a git-lfs pointer, not the data; run `git lfs pull`"


def test_folders_without_data_and_with_too_much(tmp_path: Path) -> None:
    assert "no data file in the folder" in complaint(tmp_path)
    assert "(it is empty); known suffixes are .arrow, " in complaint(tmp_path)
    (tmp_path / "notes.docx").write_text("x")
    assert "(it holds 1 other file)" in complaint(tmp_path)
    parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("a\n1\n")
    assert "mixes formats (1 csv, 1 parquet); name one kind with a pattern" in complaint(tmp_path)
    assert complaint([tmp_path / "a.parquet", tmp_path / "b.csv"]) == (
        "a.parquet is parquet and b.csv is csv: files of one dataset must be of one format"
    )
    with duckdb.connect() as connection:
        assert open_relation(connection, tmp_path, options=SourceOptions(format="csv")).rows == 1


def test_unknown_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("a,b\n1,2\n")
    text = complaint(tmp_path / "a.dat")
    assert text.startswith(
        "unknown suffix of a.dat: its content is text that looks like CSV; rename it to one of .parquet"
    )
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    assert "a.bin is not a data file that is read here: its content is binary" in complaint(tmp_path / "a.bin")


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch exploded",)


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(Bomb(), protocol))
        assert "is a pickle, which can run code when it is opened" in complaint("a.pkl")
        if protocol >= 2:  # older ones are text
            (tmp_path / "a.csv").write_bytes(pickle.dumps(Bomb(), protocol))
            assert "is a pickle" in complaint("a.csv")
    np.save(tmp_path / "a.npy", np.array([Bomb()]), allow_pickle=True)
    assert "a NumPy array: it has no column names, and object arrays hold pickles" in complaint("a.npy")
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    assert "zip archive" in complaint("a.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach: pytest's own are private to who runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_no_permission(open_folder: Path) -> None:
    """In a process of its own that gives up the superuser's rights, if it has them."""
    tmp_path = open_folder
    parquet(tmp_path / "a.parquet")
    (tmp_path / "locked").mkdir()
    parquet(tmp_path / "locked" / "b.parquet")
    program = """
import os, sys, duckdb
from audit.errors import SourceError
from audit.source import open_relation
import pyarrow.parquet, audit.sources.parquet
connection = duckdb.connect()
folder = sys.argv[1]
os.chmod(folder + "/a.parquet", 0)
os.chmod(folder + "/locked", 0)
if os.geteuid() == 0:
    os.seteuid(65534)
for name in ("a.parquet", "locked", "locked/b.parquet"):
    try:
        open_relation(connection, folder + "/" + name)
    except SourceError as error:
        print(error)
"""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
        )
    finally:
        os.chmod(tmp_path / "locked", 0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done
    assert lines[0].startswith(f"no permission to read {tmp_path}/a.parquet")
    assert lines[1].startswith(f"no permission to read {tmp_path}/locked")
    assert "locked/b.parquet" in lines[2]


def test_addresses() -> None:
    assert complaint("memory://nowhere/a.parquet") == "memory://nowhere/a.parquet does not exist; check the address"
    assert "web addresses are not read; download the file" in complaint("https://example.org/a.csv")
    assert "unknown kind of address 'klingon://'" in complaint("klingon://a.csv")
    fsspec.filesystem("memory").pipe("/bad/a.parquet", b"PAR1 and no more")
    assert "a.parquet is truncated" in complaint("memory://bad/a.parquet")
    fsspec.filesystem("memory").pipe("/bad/b.parquet", b"")
    assert "b.parquet is empty" in complaint("memory://bad/b.parquet")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as where it is not installed
    assert complaint("s3://bucket/a.parquet") == "s3:// needs the package s3fs; install it: pip install s3fs"


@pytest.mark.parametrize("data", [42, None, {"a": [1]}, object(), np.arange(3), [1, 2], b"bytes", lambda: None])
def test_objects_that_are_no_tables(data: object) -> None:
    text = complaint(data)
    assert text.startswith("cannot read an object of type ")
    assert "a pandas or polars frame, or anything with __arrow_c_stream__" in text


def test_streams_that_are_no_tables_or_break() -> None:
    def batches() -> Any:
        yield pa.record_batch({"a": [1]})
        raise ValueError("the socket closed")

    assert "the socket closed" in complaint(
        pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    )
    assert "Arrow stream of ChunkedArray" in complaint(pa.chunked_array([[1, 2]]))


def test_databases(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.duckdb")
    with duckdb.connect(path) as writer:
        writer.execute("CREATE TABLE orders AS SELECT 1 AS a; CREATE TABLE clients AS SELECT 1 AS a").fetchall()
        assert "is open for writing elsewhere; close that connection" in complaint(f"{path}::orders")
    assert "did you mean 'orders'?" in complaint(f"{path}::order")
    assert f"holds 2 tables; name one: {path}::clients; there are 'clients', 'orders'" in complaint(path)
    assert "does not exist" in complaint(f"duckdb://{tmp_path}/other.db?table=x")
    (tmp_path / "a.duckdb").write_text("text")
    assert "a.duckdb is not a DuckDB database" in complaint(f"{tmp_path}/a.duckdb")
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:5000])
    assert f"cannot open {path} as a DuckDB database" in complaint(f"{path}::orders")


def test_text_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("not json\nat all\n")
    assert "holds no line that is JSON" in complaint(tmp_path / "a.jsonl")
    (tmp_path / "a.json").write_text('[{"a": 1},')
    assert complaint(tmp_path / "a.json").startswith("a.json is truncated: it starts as a JSON array")
    (tmp_path / "a.json").write_text('[{"a": 1}, {"a": ]')
    assert "a.json as JSON: " in complaint(tmp_path / "a.json")
    (tmp_path / "a.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
    assert "as text in ascii" in complaint(tmp_path / "a.csv", encoding="ascii")
    assert "a.csv is not parquet" in complaint(tmp_path / "a.csv", format="parquet")
