"""COM005: the odd strings are counted and can be found again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from audit.checks.completeness.mixed_types import MixedTypes
from audit.findings import Severity
from audit.testing import audit_rows


def test_the_odd_ones_are_named_with_share_example_and_row() -> None:
    texts = [f"{i / 7:.2f}" for i in range(97)] + ["12 kg", "n/a", "about 5"]
    (finding,) = audit_rows(MixedTypes(), pa.table({"weight": texts})).findings
    assert finding.statistic == "numeric_text_share"
    assert "97 of 99 strings are numbers (98.0%)" in finding.message
    assert "1.0% numbers with a unit ('12 kg')" in finding.message
    assert "1.0% other text ('about 5')" in finding.message
    assert "1 say nothing" in finding.message
    assert finding.row_ids == (97, 99)
    assert finding.affected == 2


def test_the_rarer_date_format_is_the_odd_one() -> None:
    texts = ["2024-01-05"] * 80 + ["06.02.2024"] * 20
    for column in (pa.array(texts), pa.array(texts).dictionary_encode()):
        (finding,) = audit_rows(MixedTypes(), pa.table({"day": column})).findings
        assert finding.value == 2
        assert finding.row_ids == tuple(range(80, 100))


def test_day_first_dates_of_one_source_are_one_format() -> None:
    texts = [f"{day:02d}/{month:02d}/2024" for day in range(1, 29) for month in range(1, 13)]
    (finding,) = audit_rows(MixedTypes(), pa.table({"day": texts})).findings
    assert finding.statistic == "date_text_share"


def test_a_few_numbers_among_words_are_information_at_most() -> None:
    random = np.random.default_rng(0)
    models = random.choice(["A4", "500", "Civic", "Golf", "Up"], 500)
    found = audit_rows(MixedTypes(), pa.table({"model": models})).findings
    assert all(finding.severity is Severity.INFO for finding in found)
