"""The terminal's lines: one a finding, grouped, and nothing in them that a terminal obeys."""

import dataclasses
import re
from collections.abc import Callable

import pytest

from audit.findings import Basis, Finding, Outcome, Severity, Status
from audit.report.formats import FORMATS, render_text
from audit.report.verdict import actions, verdict
from audit.report.wording import number, percent, visible
from audit.result import Result

ANSI = re.compile(r"\x1b\[\d+m")


def test_one_line_a_finding_with_subject_code_severity_message(flights_result: Result) -> None:
    lines = render_text(flights_result).splitlines()
    expected = "dep_time misses 2.45% of its values (8,255 of 336,776 rows, limit 2%)."
    assert f"flights.parquet:dep_time COM001 warn {expected}" in lines
    assert sum(" COM001 warn " in line for line in lines) == 5


def test_summary_counts_checks_and_names_the_missing_options(flights_result: Result) -> None:
    text = render_text(flights_result)
    assert "6 dimensions: 1 fail, 1 error, 3 warn, 2 pass, 3 not evaluated (no --label, --time) in 2.1 s" in text
    assert text.endswith("-> why and how to fix: audit explain REP001\n")


def test_roles_reasons_and_approximations_are_said(flights_result: Result) -> None:
    text = re.sub(r"\s+", " ", render_text(flights_result, width=60))
    assert "label: none (no column is named like a label)" in text
    assert "time: time_hour (timestamp column named like a time)" in text
    assert "FRE001, FRE002: No time column was given or found; name one with --time." in text
    assert "sample of 200,000 of 336,776 rows, seed 0" in text
    assert "COR003 error the check broke" in text


def test_many_findings_of_a_check_do_not_flood(make_wide: Callable[[int, int], Result]) -> None:
    result = make_wide(50, 3000)
    short, full = render_text(result).splitlines(), render_text(result, verbose=True).splitlines()
    assert sum(" COM001 " in line for line in short) == 11
    assert "flights.parquet COM001 … and 990 more (-v shows all)" in short
    assert sum(" COM001 " in line for line in full) == 1000


def test_control_characters_reach_no_terminal(hostile_result: Result) -> None:
    for text in (render_text(hostile_result, verbose=True), ANSI.sub("", render_text(hostile_result, color=True))):
        assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "nul\\u0000esc\\u001b[31mred\\u0007bell" in render_text(hostile_result)
    assert max(map(len, render_text(hostile_result, verbose=True).splitlines())) < 12_000


def test_color_only_when_asked(flights_result: Result) -> None:
    assert "\x1b" not in render_text(flights_result)
    colored = render_text(flights_result, color=True)
    assert "\x1b[31mfail\x1b[0m" in colored
    assert ANSI.sub("", colored) == render_text(flights_result)


def test_explanations_wrap_at_the_width(flights_result: Result) -> None:
    lines = render_text(flights_result, width=60).splitlines()
    assert max(len(line) for line in lines if line.startswith("  ")) <= 60


def with_statuses(result: Result, *statuses: Status) -> Result:
    outcomes = tuple(Outcome(f"ABC{i:03d}", "a", "correlation", s, "because") for i, s in enumerate(statuses))
    return dataclasses.replace(result, outcomes=outcomes)


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ("fail fail fail warn warn skipped", "Not ready to train on: 3 checks fail; 2 warn; 1 could not be evaluated."),
        ("fail error", "Not ready to train on: 1 check fails; 1 check broke."),
        ("error pass pass", "No verdict: 1 check broke; 2 pass."),
        ("warn pass", "Usable with care: 1 check warns; 1 passes."),
        ("pass pass not_applicable", "Ready to train on: all 2 checks pass; 1 could not be evaluated."),
        ("pass", "Ready to train on: 1 check passes."),
        ("not_applicable skipped", "Not assessed: 2 checks could not be evaluated."),
        ("", "Not assessed: no check took part."),
    ],
)
def test_verdict_is_one_sentence(flights_result: Result, statuses: str, sentence: str) -> None:
    result = with_statuses(flights_result, *map(Status, statuses.split()))
    assert str(verdict(result)) == sentence


def test_actions_are_at_most_seven_worst_first_and_leave_info_out(flights_result: Result) -> None:
    basis = Basis(10, 10)
    outcomes = tuple(
        Outcome(
            f"ABC{i:03d}",
            "some-check",
            "correlation",
            Status.WARN,
            "because",
            (Finding(f"ABC{i:03d}", (f"c{i}",), Severity(1 + i % 3), "m", "s", i, 0, basis, effect=i / 20),),
        )
        for i in range(15)
    )
    todo, more = actions(dataclasses.replace(flights_result, outcomes=outcomes))
    assert [a.worst.severity for a in todo] == [Severity.FAIL] * 5 + [Severity.WARN] * 2
    assert [a.columns for a in todo[:2]] == [("c14",), ("c11",)]
    assert more == 3


def test_every_format_is_registered_and_gives_text(flights_result: Result) -> None:
    assert set(FORMATS) >= {"text", "json", "html"}
    for name, render in FORMATS.items():
        assert len(render(flights_result)) > 500, name


@pytest.mark.parametrize(
    "code", [0x00, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE000, 0xD800, 0xE0001]
)
def test_invisible_characters_are_made_visible(code: int) -> None:
    shown = visible(f"a{chr(code)}b")
    assert shown.isprintable()
    assert f"{code:04x}" in shown


def test_numbers_and_shares_never_round_to_a_false_whole() -> None:
    assert percent(0.999999999) == ">99.9999%"
    assert percent(1e-9) == "1.0e-07%"
    assert percent(0.12345) == "12.3%"
    assert percent(float("nan")) == "–"
    assert number(float("inf")) == "–"
    assert number(10**20) == "1e+20"
