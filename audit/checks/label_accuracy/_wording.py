"""Words and charts that the checks of label accuracy share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.dataset import Dataset
from audit.findings import Basis, Chart, NotEvaluated

MOST_CLASSES_DRAWN = 25
MOST_ROWS_LISTED = 1_000


def percent(share: float) -> str:
    """Return a share as a percentage that does not round a small one to nothing.

    >>> percent(0.5), percent(0.00123)
    ('50.0%', '0.12%')
    """
    return f"{share:.1%}" if share >= 0.01 or share == 0 else f"{share:.2g}" if share < 1e-4 else f"{share:.2%}"


def label_classes_missing(data: Dataset) -> NotEvaluated | None:
    """Return why a check of class labels does not apply, or None where it does."""
    if data.roles.label is None:
        return NotEvaluated("no column has the role label; name it with --label")
    if data.roles.label_kind != "classes":
        return NotEvaluated(f"the label '{data.roles.label}' is a number, not classes; LBL005 judges such a label")
    if data.rows == 0:
        return NotEvaluated("the dataset has no rows")
    return None


def scaled(count: int, basis: Basis) -> int:
    """Return a count of looked-at rows as an estimate for all rows."""
    return count if basis.exact else round(count / max(basis.rows, 1) * basis.of)


def confusion(
    title: str, labels: Sequence[str], matrix: NDArray[Any], *, row_title: str, column_title: str
) -> tuple[Chart, str]:
    """Return a confusion chart, and a note on the classes that it leaves out.

    With more than `MOST_CLASSES_DRAWN` classes, those with the most rows off the diagonal are drawn.
    """
    k = len(labels)
    shown = np.arange(k)
    if k > MOST_CLASSES_DRAWN:
        astray = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diagonal(matrix)
        shown = np.sort(np.argsort(-astray, kind="stable")[:MOST_CLASSES_DRAWN])
    drawn = matrix[np.ix_(shown, shown)]
    data = {
        "labels": [labels[int(i)] for i in shown],
        "matrix": [[int(cell) for cell in row] for row in drawn],
        "row_title": row_title,
        "column_title": column_title,
    }
    note = f"; the {MOST_CLASSES_DRAWN} of {k} classes that are confused most are shown" if len(shown) < k else ""
    return Chart("confusion", title, data, x_title=column_title, y_title=row_title), note
