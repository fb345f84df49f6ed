"""The manual of a check in parts, as a result carries them."""

from __future__ import annotations

import dataclasses

import pandas as pd

import audit
from audit.checks import installed
from audit.manual import definition, option_notes
from audit.report.render import render_html


def test_every_check_says_what_it_measures_and_what_each_option_means() -> None:
    for check in installed().values():
        assert len(definition(check)) > 40, check.code
        assert "\n" not in definition(check)
        assert "Why it matters" not in definition(check)
        assert set(option_notes(check)) == {field.name for field in dataclasses.fields(check)}, check.code  # type: ignore[arg-type]  # the registry holds dataclasses only


def test_a_check_without_such_parts_has_its_summary() -> None:
    class Bare:
        """Counts things.

        More of it.
        """

    assert definition(Bare) == "Counts things."
    assert option_notes(Bare) == {}
    assert definition(type("Silent", (), {"__doc__": ""})) == ""


def test_the_report_and_the_json_carry_it() -> None:
    result = audit.run(pd.DataFrame({"a": [1, 2, None]}), select=["COM001"], as_of="2026-06-01")
    outcome = result.to_dict()["outcomes"][0]
    assert outcome["definition"].startswith("Over all rows, the share of each column that is NULL")
    assert outcome["option_notes"]["fail"] == "share (0 to 1) above which it fails (our choice); 1 never fails."
    page = render_html(result)
    assert "with its Wilson 95% interval" in page
    assert "share (0 to 1) above which it fails (our choice)" in page
