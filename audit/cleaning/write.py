"""What a cleaning leaves behind: `clean.parquet`, `quarantine.parquet`, `plan.yaml` and `manifest.json`.

The files are written under temporary names, flushed to the disk, counted again, and only then get their names; the
manifest comes last, so that a folder with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.cleaning.repairs import Repaired
from audit.errors import AuditError
from rl_data.formats.canonical import to_table, write_table
from rl_data.formats.writing import flush
from rl_data.trajectories import Trajectories, TrajectoryError

CLEAN, QUARANTINE, PLAN, MANIFEST = "clean.parquet", "quarantine.parquet", "plan.yaml", "manifest.json"
FORMER_PLAN = "plan.former.yaml"
_OF_THE_SOURCE = ("lengths", "first_index", "end_index", "files", "total_episodes", "total_steps")


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that cannot be written, or that holds something; before the work, so that nobody waits for it.

    Raises:
        AuditError: with what to do.
    """
    if folder.exists() and not folder.is_dir():
        raise AuditError(f"-o {folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise AuditError(f"-o {folder}: the folder is not empty; name another, or replace its results with --force")
    if not folder.absolute().parent.is_dir():
        raise AuditError(f"-o {folder}: there is no folder {folder.absolute().parent}; make it first")


def publish(
    folder: Path, repaired: Repaired, source: Trajectories, plan: bytes | None, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Write all files; `plan` None leaves the plan in the folder as it is. Return the manifest as it was written.

    Raises:
        AuditError: a file cannot be written, or the steps do not add up; then nothing has been left behind.
    """
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.absolute().parent))
        temporary.chmod(0o777 & ~_umask())
        write_table(to_table(own(repaired.clean, source)), temporary / CLEAN)
        write_table(quarantine_table(repaired, source), temporary / QUARANTINE)
        if plan is not None:
            (temporary / PLAN).write_bytes(plan)
        outputs = {name: _described(temporary / name) for name in (CLEAN, QUARANTINE)}
        whole = {**manifest, "conservation": conservation(repaired, source, outputs), "outputs": outputs}
        whole["run"] = whole.pop("run")  # last
        text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        (temporary / MANIFEST).write_text(text, encoding="utf-8")
        for file in temporary.iterdir():
            flush(file)
        _name(temporary, folder)
        return whole
    except TrajectoryError as error:
        raise AuditError(" ".join(str(error).split())) from error
    except OSError as error:
        raise AuditError(f"cannot write {folder}: {error.strerror or error}; choose another place with -o") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _name(temporary: Path, folder: Path) -> None:
    """Give the files their names: the whole folder at once where it is new, else one by one, the manifest last."""
    if not folder.is_dir() or not any(folder.iterdir()):
        if folder.is_dir():
            folder.rmdir()
        os.replace(temporary, folder)
        return
    (folder / MANIFEST).unlink(missing_ok=True)
    former = folder / PLAN
    if (temporary / PLAN).exists() and former.exists() and former.read_bytes() != (temporary / PLAN).read_bytes():
        os.replace(former, folder / FORMER_PLAN)  # somebody may have edited it
    for name in (CLEAN, QUARANTINE, PLAN, MANIFEST):
        if (temporary / name).exists():
            os.replace(temporary / name, folder / name)


def conservation(repaired: Repaired, source: Trajectories, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the equation that holds: every step that went in is in one of the files or dropped by name, once.

    Raises:
        AuditError: it does not hold; a mistake of this program.
    """
    dropped = {name: len(rows) for name, rows in sorted(repaired.dropped.items())}
    clean, quarantined = outputs[CLEAN]["steps"], outputs[QUARANTINE]["steps"]
    left = int(sum(dropped.values()))
    times = np.bincount(np.concatenate([repaired.kept, *repaired.dropped.values()]), minlength=source.rows)
    apart = int((times > 1).sum()) == 0 and int((times == 0).sum()) == quarantined
    if not apart or source.rows != clean + quarantined + left:
        raise AuditError(
            f"the steps do not add up: {source.rows:,} in, {clean:,} clean, {quarantined:,} quarantined, {left:,} "
            "dropped; nothing was written, please report this"
        )
    return {
        "steps_in": source.rows,
        "clean": clean,
        "quarantined": quarantined,
        "dropped": left,
        "dropped_by_name": dropped,
        "equation": f"{source.rows} = {clean} + {quarantined} + {left}",
        "holds": True,
    }


def own(t: Trajectories, source: Trajectories) -> Trajectories:
    """Return trajectories as a set of their own: what the source's metadata said of its rows is not said of these."""
    declared = {name: value for name, value in t.provenance.declared.items() if name not in _OF_THE_SOURCE}
    files = t.source_files
    if files is None:
        files = np.full(t.episodes, source.provenance.uri)
    return replace(t, source_files=files, provenance=replace(t.provenance, declared=declared, problems=()))


def quarantine_table(repaired: Repaired, source: Trajectories) -> pa.Table:
    """Return the quarantined steps in the canonical form, each with the reason and the code of its check."""
    t = own(repaired.quarantined, source)
    table = to_table(t)
    codes = pa.array(t.episode_of_row.astype(np.int32))
    for name, texts in (("reason", repaired.reasons), ("code", repaired.codes)):
        values = pa.DictionaryArray.from_arrays(codes, pa.array(list(texts), type=pa.string()))
        table = table.append_column(name, values)
    return table


def file_hash(path: str | Path) -> str:
    """Return the sha256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _described(path: Path) -> dict[str, Any]:
    steps = pq.read_metadata(path).num_rows
    return {"steps": steps, "bytes": path.stat().st_size, "sha256": file_hash(path)}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
