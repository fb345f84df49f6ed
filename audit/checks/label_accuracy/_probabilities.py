"""Out-of-sample class probabilities for LBL002: the ones that came with the data, or our own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.facts import Value
from audit.findings import NotEvaluated
from audit.sample import Sampled
from audit.stats.agreement import label_text, match_labels
from audit.stats.label_noise import label_models
from audit.stats.prediction import (
    Encoded,
    dense,
    encode,
    feature_groups,
    folds,
    merge_groups,
    out_of_fold_probabilities,
    thin,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_CELLS = 1_500_000
"""Rows times columns of the matrix that models are fitted on: seconds on two cores."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What confident learning works on.

    Attributes:
        sampled: the rows that were looked at.
        rows: int64[n], the positions in `sampled` of the n rows that are judged.
        labels: int64[n], class codes.
        probabilities: float64[n, K].
        classes: the K labels as text.
        how: where the probabilities come from, in words.
        given: whether they came with the data.
        left_out: which rows could not be judged and why; empty when all were.
        coarse: whether more than half of the rows have an equal in all features.
    """

    sampled: Sampled
    rows: Codes
    labels: Codes
    probabilities: Floats
    classes: list[str]
    how: str
    given: bool
    left_out: str = ""
    coarse: bool = False


def given_probabilities(
    sampled: Sampled, label: str, columns: tuple[str, ...], classes: tuple[str, ...]
) -> Judged | NotEvaluated:
    """Return the labels matched to the probabilities of the dataset, or why they cannot be.

    Columns are matched to labels by name (`classes`), never by position, save where no names were given and there are
    as many labels as columns: then by the order of scikit-learn, which sorts.
    """
    codes, values = sampled.codes(label)
    matrix = _matrix(sampled, columns)
    if isinstance(matrix, NotEvaluated):
        return matrix
    known = list(classes)
    if not known:
        known = [label_text(value) for value in values]
    if matrix.shape[1] == 1 and len(known) <= 2 <= len(values):
        matrix, known = _of_both(matrix, known, values)
    if len(known) != matrix.shape[1]:
        return NotEvaluated(
            f"{matrix.shape[1]} probabilities a row, but {len(known)} classes; say which class each is for with "
            f"probability_classes in audit.yaml",
            columns,
        )
    place = match_labels(list(values), known)
    if not place:
        shown = ", ".join(repr(label_text(v)) for v in values[:3])
        return NotEvaluated(
            f"no value of {label} ({shown} ...) is among the classes of the probabilities "
            f"({', '.join(known[:3])} ...); name them with probability_classes in audit.yaml",
            (label,),
        )
    to_code = np.array([*(place.get(value, -1) for value in values), -1], dtype=np.int64)
    labels = to_code[codes]
    complete = np.isfinite(matrix).all(axis=1)
    usable = (labels >= 0) & complete
    wrong = complete & ((matrix < -1e-9).any(axis=1) | (np.abs(matrix.sum(axis=1) - 1) > 0.05))
    if int(wrong.sum()) > 0.01 * max(int(complete.sum()), 1):
        return NotEvaluated(
            f"{int(wrong.sum()):,} of {int(complete.sum()):,} rows have probabilities that are negative or do not sum "
            f"to 1 (scores or logits?); apply a softmax first",
            columns,
        )
    rows = np.flatnonzero(usable & ~wrong)
    if rows.size == 0:
        return NotEvaluated("no row has both a label and its probabilities", (label,))
    lost = int((codes >= 0).sum()) - rows.size
    left_out = f"{lost:,} labelled rows have no usable probabilities, or a label without one" if lost else ""
    return Judged(sampled, rows, labels[rows], matrix[rows], known, "probabilities as given", True, left_out)


def _matrix(sampled: Sampled, columns: tuple[str, ...]) -> Floats | NotEvaluated:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if len(columns) > 1 or not pt.is_nested(sampled.table.schema.field(columns[0]).type):
        return np.column_stack([sampled.numbers(column) for column in columns])
    lists = sampled.table.column(columns[0]).combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], type=lists.type)
    if not (pt.is_list(lists.type) or pt.is_large_list(lists.type) or pt.is_fixed_size_list(lists.type)):
        return NotEvaluated(f"probabilities must be numbers or lists of numbers, not {lists.type}", columns)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    width = int(lengths.max(initial=0))
    present = lengths > 0
    if width == 0 or bool((lengths[present] != width).any()):
        return NotEvaluated("the lists of probabilities are empty or differ in length", columns)
    matrix = np.full((len(lists), width), np.nan)
    flat = pc.cast(pc.list_flatten(lists.filter(pa.array(present))), pa.float64(), safe=False)
    matrix[present] = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return matrix


def _of_both(matrix: Floats, known: list[str], values: tuple[Value, ...]) -> tuple[Floats, list[str]]:
    """Return one column of probabilities as two: it speaks of the named class, or of the last in sorted order."""
    texts = [label_text(value) for value in values]
    named = known[0] if len(known) == 1 else texts[-1]
    place = match_labels(list(values), [named])
    others = [text for value, text in zip(values, texts, strict=True) if value not in place]
    own = [text for value, text in zip(values, texts, strict=True) if value in place]
    return np.column_stack([1.0 - matrix[:, 0], matrix[:, 0]]), [*(others or [""])[:1], *(own or [named])[:1]]


def own_probabilities(
    sampled: Sampled,
    label: str,
    features: tuple[str, ...],
    group: str | None,
    *,
    rows: int,
    folds: int,
    max_classes: int,
) -> Judged | NotEvaluated:
    """Return labels with out-of-fold probabilities of our own models, or why there are none.

    Rows of a group, and rows with equal features, are never on both sides of a fold: a copy would bring the wrong label
    along. Where more than half of the rows have an equal (a few coarse categories), equal rows are no copies, and
    keeping them together would only hide whole cells from the models.
    """
    chosen = thin(sampled, max(500, min(rows, MOST_CELLS // len(features))), among=~sampled.missing(label))
    codes, values = chosen.codes(label)
    counts = np.bincount(codes, minlength=len(values))
    kept = np.flatnonzero(counts >= folds)
    if len(kept) < 2:
        return NotEvaluated(f"fewer than two classes of {label} have at least {folds} rows", (label,))
    if len(kept) > max_classes:
        return NotEvaluated(f"{label} has {len(kept):,} classes, more than max_classes={max_classes}", (label,))
    position = np.full(len(values), -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    judged = np.flatnonzero(position[codes] >= 0)
    labels = position[codes[judged]]
    encoded = encode(chosen, without_identifiers(chosen, features))
    encoded = Encoded(encoded.matrix[judged], encoded.names, encoded.categorical, encoded.left_out)
    matrix = dense(encoded)
    if matrix.shape[1] == 0:
        return NotEvaluated("no feature that a model can read varies", features)
    together = independent_groups(encoded.matrix, chosen, judged, group)
    if int(together.max()) + 1 < folds:
        return NotEvaluated(f"fewer than {folds} groups of rows that are independent of each other", (label,))
    pairs = _folds(len(labels), folds, labels=labels, groups=together, seed=chosen.seed)
    probabilities = out_of_fold_probabilities(
        matrix, labels, pairs, label_models(len(labels)), classes=len(kept), seed=chosen.seed
    )
    lost = len(codes) - len(judged)
    left_out = f"{lost:,} rows are of classes with fewer than {folds} rows, too few to judge" if lost else ""
    names = [label_text(values[i]) for i in kept]
    how = f"own models, out of {len(pairs)} folds, on {len(encoded.names)} of {len(features)} features"
    return Judged(chosen, judged, labels, probabilities, names, how, False, left_out, mostly_repeated(encoded.matrix))


_folds = folds  # the option of the same name hides the function


def without_identifiers(sampled: Sampled, features: tuple[str, ...]) -> list[str]:
    """Leave out texts with a value for every second row or more: names and codes, of which nothing is learned."""
    import pyarrow.types as pt

    def identifies(column: str) -> bool:
        kind = sampled.table.schema.field(column).type
        if pt.is_dictionary(kind):
            kind = kind.value_type
        texts = pt.is_string(kind) or pt.is_large_string(kind)
        return bool(texts) and len(sampled.codes(column)[1]) > max(30, sampled.rows // 2)

    return [column for column in features if not identifies(column)]


def independent_groups(matrix: Floats, sampled: Sampled, judged: Codes, group: str | None) -> Codes:
    """Return ids of the groups of rows that a fold must not split: equal rows, and rows of a group."""
    groupings = [np.arange(len(matrix)) if mostly_repeated(matrix) else feature_groups(matrix)]
    if group is not None:
        groupings.append(sampled.codes(group)[0][judged])
    return merge_groups(*groupings)


def mostly_repeated(matrix: Floats) -> bool:
    """Return whether more than half of the rows have an equal: coarse features, which repeat without being copies."""
    same = feature_groups(matrix)
    return len(same) > 0 and float((np.bincount(same)[same] > 1).mean()) > 0.5
