"""Opening HDF5 files and taking numbers from them, with messages that say what is wrong and what to do.

Only numbers and text are ever taken. Whatever else HDF5 can hold (objects, references, links into other files, and
opaque bytes, which is how pickled Python objects end up in such files) is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from rl_data.trajectories import TrajectoryError

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LFS = b"version https://git-lfs"
_NAMED = 12  # entries that a message names


def is_hdf5(path: Path) -> bool:
    """Return whether a path is a file that begins as HDF5 files do."""
    return path.is_file() and head(path, len(_SIGNATURE)) == _SIGNATURE


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is git-lfs's note of where the data is, in place of the data."""
    return path.is_file() and head(path, len(_LFS)) == _LFS


def head(path: Path, size: int) -> bytes:
    """Return the first bytes of a file."""
    with path.open("rb") as stream:
        return stream.read(size)


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; the message of a `TrajectoryError` raised meanwhile gets the file's path.

    Raises:
        TrajectoryError: h5py is not installed, or the file is missing, a git-lfs pointer, no HDF5, cut off or damaged.
    """
    try:
        import h5py
    except ImportError as error:
        remedy = "install it with `pip install 'dataset-audit[rl]'`"
        raise TrajectoryError(f"{path}: reading HDF5 needs the package h5py; {remedy}") from error
    if not path.is_file():
        raise TrajectoryError(f"{path}: no such file")
    if is_lfs_pointer(path):
        raise TrajectoryError(f"{path}: a git-lfs pointer, not the data itself; run `git lfs pull`")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TrajectoryError(f"{path}: {_why_not(path, error)}") from error
    with file:
        try:
            with reading():
                yield file
        except TrajectoryError as error:
            raise TrajectoryError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error


@contextmanager
def reading() -> Iterator[None]:
    """Turn what libraries raise on a damaged file into a message of one line.

    Raises:
        TrajectoryError: the file is damaged where it was read.
    """
    try:
        yield
    except TrajectoryError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise TrajectoryError(f"damaged, or not laid out as it should be ({_one_line(error)}); {_REMEDY}") from error


def keys(group: h5py.Group) -> list[str]:
    """Return the names in a group that are text, in its order."""
    return [name for name in group if isinstance(name, str)]


def names(path: Path) -> frozenset[str]:
    """Return the names at the top of an HDF5 file; none when the path is no HDF5 file.

    Raises:
        TrajectoryError: it is an HDF5 file, but cannot be opened; no reader will fare better.
    """
    if not is_hdf5(path):
        return frozenset()
    with open_file(path) as file:
        return frozenset(keys(file))


def entry(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return what a group holds under a name; None when it holds nothing.

    Raises:
        TrajectoryError: it is a link into another file, or the file is damaged there.
    """
    import h5py

    try:
        link = group.id.links.get_info(name.encode())  # a third of the time of group.get(name, getlink=True)
    except (KeyError, RuntimeError):
        return None
    if link.type == h5py.h5l.TYPE_EXTERNAL:
        raise TrajectoryError(f"`{name}` is a link into another file, which is not followed; copy the data in")
    try:
        found = group[name]
    except (OSError, KeyError, RuntimeError) as error:
        raise TrajectoryError(f"`{name}` cannot be opened ({_one_line(error)}); {_REMEDY}") from error
    return found if isinstance(found, h5py.Group | h5py.Dataset) else None


def array(group: h5py.Group, path: str) -> h5py.Dataset | None:
    """Return the array at a path below a group; None when there is none, or something else.

    Raises:
        TrajectoryError: as `entry`.
    """
    import h5py

    found: h5py.Group | h5py.Dataset | None = group
    for name in path.split("/"):
        found = entry(found, name) if isinstance(found, h5py.Group) else None
    return found if isinstance(found, h5py.Dataset) and found.shape is not None else None


def leaves(group: h5py.Group | h5py.Dataset, prefix: str = "") -> dict[str, h5py.Dataset]:
    """Return the arrays below a group by their path, in the group's order; an array itself under its prefix."""
    import h5py

    if isinstance(group, h5py.Dataset):
        return {} if group.shape is None else {prefix: group}
    found: dict[str, h5py.Dataset] = {}
    for name in keys(group):
        below = entry(group, name)
        if below is not None:
            found |= leaves(below, f"{prefix}/{name}" if prefix else name)
    return found


def numbers(array: h5py.Dataset, name: str) -> NDArray[Any]:
    """Return an array with numbers or flags for each step.

    Raises:
        TrajectoryError: it holds anything else or one value only, or the file is damaged there; the message names it.
    """
    if not array.shape:
        raise TrajectoryError(f"`{name}` is one value instead of one for each step; write the file anew")
    return np.asarray(value(array, name))


def value(array: h5py.Dataset, name: str) -> NDArray[Any] | np.generic:
    """Return numbers or flags, one or many.

    Raises:
        TrajectoryError: as `numbers`.
    """
    if array.dtype.kind not in "biuf":
        raise TrajectoryError(f"`{name}` holds {kind(array.dtype)}, which is refused; store plain numbers")
    try:
        return cast(NDArray[Any], array[()])
    except (OSError, RuntimeError) as error:
        raise TrajectoryError(f"`{name}` cannot be read ({_one_line(error)}); {_REMEDY}") from error


def texts(array: h5py.Dataset) -> list[str]:
    """Return an array of strings; an empty list when it holds anything else."""
    import h5py

    if h5py.check_string_dtype(array.dtype) is None and array.dtype.kind != "S":
        return []
    values = np.atleast_1d(array[()]).ravel().tolist()
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def kind(dtype: np.dtype[Any]) -> str:
    """Return in words what an array holds."""
    import h5py

    if h5py.check_string_dtype(dtype) is not None or dtype.kind in "SU":
        return "text"
    if (base := h5py.check_vlen_dtype(dtype)) is not None:
        return f"{base} arrays of varying length"
    if h5py.check_ref_dtype(dtype) is not None:
        return "references to other objects"
    if dtype.kind == "O":
        return "Python objects"
    if dtype.kind == "V":
        return "records of several fields" if dtype.names else "opaque bytes (such as pickled objects)"
    return f"{dtype} values"


def attribute(group: h5py.Group, name: str) -> Any:
    """Return an attribute as Python text or number; None when it is absent, unreadable or neither."""
    try:
        value = group.attrs.get(name)
    except (OSError, TypeError, RuntimeError, KeyError):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size == 1):
        value = value.item()
    return value if isinstance(value, str | int | float) else None


def describe(path: Path) -> str:
    """Return what is at the top of an HDF5 file, in words, for the message that its layout is unknown."""
    with open_file(path) as file:
        found = sorted(keys(file))
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    listed = ", ".join(found[:_NAMED]) or "nothing"
    return f"an HDF5 file with {listed}{more} at its top"


_REMEDY = "copy or write it anew"


def _why_not(path: Path, error: OSError) -> str:
    size = path.stat().st_size
    if size == 0:
        return "the file is empty (0 bytes); copy or write it anew"
    if not is_hdf5(path):
        return "not an HDF5 file"
    if "truncated" in str(error):
        return f"the HDF5 file is cut off after {size:,} bytes; copy or write it anew"
    if "lock" in str(error):
        return "the HDF5 file is open for writing elsewhere; close it there first"
    return f"the HDF5 file is damaged ({_one_line(error)}); copy or write it anew"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
