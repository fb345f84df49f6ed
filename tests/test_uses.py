"""What a dataset can be used for: the label says which use there is to judge, the open findings how suited it is."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import audit
from audit.findings import Acceptance, Status
from audit.report.formats.markdown import render_markdown
from audit.report.formats.text import render_text
from audit.report.render import render_html
from audit.uses import Use, uses
from tests.report.trajectory_results import trajectory_result

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(0, 1, 600).round(3),
        "weight": RNG.normal(5, 2, 600).round(3),
        "grade": RNG.choice(["a", "b", "c"], 600),
        "stars": RNG.integers(1, 6, 600),
        "price": RNG.normal(100, 20, 600).round(2),
    }
)


def judged(frame: pd.DataFrame = FRAME, **options: Any) -> dict[str, Use]:
    return {use.name: use for use in uses(audit.run(frame, as_of="2026-06-01", **options))}


def test_a_label_of_classes_is_for_a_classifier_and_a_number_for_a_regressor() -> None:
    by_class = judged(label="grade", select=["COM001", "LBL003", "COR003"])
    assert by_class["classifier"].suited in ("yes", "with care")
    assert by_class["regressor"].suited == "not assessed"
    assert by_class["regressor"].reason.startswith("the label 'grade' holds classes, not a number")
    assert judged(label="stars")["regressor"].suited == "not assessed"  # few whole numbers are classes
    by_number = judged(label="price")
    assert by_number["classifier"].reason.startswith("the label 'price' is a number, not a class")
    assert by_number["regressor"].suited != "not assessed"


def test_without_a_label_neither_is_assessed_and_the_option_is_named() -> None:
    found = judged()
    assert {use.suited for use in found.values()} == {"not assessed"}
    assert all("--label" in use.reason for use in found.values())


def test_the_worst_open_finding_decides() -> None:
    holes = FRAME.assign(size=FRAME["size"].where(FRAME.index % 2 == 0))
    assert judged(holes, label="grade")["classifier"] == Use("classifier", "no", "COM001 fail")
    result = audit.run(holes, label="grade", select=["COM001", "LBL003", "COR003"], as_of="2026-06-01")
    known = tuple(
        dataclasses.replace(o, status=Status.PASS if o.findings else o.status, findings=tuple(
            dataclasses.replace(f, accepted=Acceptance("by design")) for f in o.findings))
        for o in result.outcomes
    )  # fmt: skip
    assert uses(dataclasses.replace(result, outcomes=known))[0] == Use("classifier", "yes", "all of 3 checks pass")
    only = judged(label="grade", select=["COM001"])
    assert only["classifier"] == Use("classifier", "with care", "label accuracy and correlation not assessed")


def test_a_check_that_broke_leaves_it_open() -> None:
    result = audit.run(FRAME, label="grade", select=["COM001", "LBL003", "COR003"], as_of="2026-06-01")
    first = dataclasses.replace(result.outcomes[0], status=Status.ERROR, reason="ValueError: no")
    found = uses(dataclasses.replace(result, outcomes=(first, *result.outcomes[1:])))
    assert found[0] == Use("classifier", "not assessed", "COM001 broke")


def test_learners_are_judged_by_the_check_of_returns() -> None:
    assert [(use.name, use.suited) for use in uses(trajectory_result(10))] == [
        ("BC", "with care"), ("CQL", "yes"), ("DQN", "no"),
    ]  # fmt: skip


@pytest.mark.parametrize("label", ["grade", "price", None])
def test_every_output_says_the_same(label: str | None) -> None:
    result = audit.run(FRAME, label=label, as_of="2026-06-01") if label else audit.run(FRAME, as_of="2026-06-01")
    text, markdown, html = render_text(result, width=400), render_markdown(result), render_html(result)
    for use in uses(result):
        assert {"name": use.name, "suited": use.suited, "reason": use.reason} in result.to_dict()["verdict"]["uses"]
        assert f"{use.name}: {use.suited}, {use.reason}" in text
        assert f"- {use.name}: **{use.suited}**" in markdown
        assert f"To train a {use.name}" in html
        assert use.reason.replace("'", "&#39;") in html
    assert json.loads(result.to_json())["schema_version"] == "1.2"
