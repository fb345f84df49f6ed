"""The report in another language: nothing of ours stays English, and nothing of the data is changed."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import audit
from audit.checks import check_by_code, installed
from audit.cli import app
from audit.config import make_check
from audit.errors import ConfigError
from audit.findings import DIMENSIONS, Basis, Chart, Finding, Outcome, Severity, Status
from audit.manual import definition, option_notes
from audit.report.language import SOURCE, catalog, languages
from audit.report.patterns import holes_of, make_pattern
from audit.report.render import render_html
from audit.report.sentences import translated
from audit.report.wording import title_of
from audit.result import Result
from audit.testing import _run_case
from tests import test_sample_data, test_sample_trajectories
from tests.report.conftest import HOSTILE, wide
from tests.report.marked_texts import marked_texts
from tests.report.test_render import Reader

TRANSLATIONS = [code for code in languages() if code != SOURCE]
OURS = sorted(code for code, check in installed().items() if check.__module__.startswith("audit."))  # no plug-in's
CASES = sorted((Path(__file__).parents[1] / "cases").glob("*.yaml"))


@pytest.fixture(params=TRANSLATIONS)
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_chinese_ships() -> None:
    assert languages()[0] == "en"
    assert "zh" in languages()


# --- the catalog against the code ------------------------------------------------------------------------------------


def test_every_text_of_the_report_is_in_the_catalog(repository: Path, code: str) -> None:
    known = catalog(code).texts
    missing = [f"{place}: {text}" for text, place in marked_texts(repository).items() if text not in known]
    assert not missing, f"add to reports/templates/languages/{code}.yaml, under texts:\n" + "\n".join(missing)


def test_no_text_of_the_catalog_is_left_over(repository: Path, code: str) -> None:
    marked = marked_texts(repository)
    unused = [text for text in held(repository, code)["texts"] if text not in marked]
    assert not unused, f"nothing says these of {code}.yaml any more; take them out:\n" + "\n".join(unused)


def test_no_name_of_the_catalog_is_left_over(repository: Path, code: str) -> None:
    words = set(strings_of(repository))
    titles = {text[:1].upper() + text[1:].replace("-", " ").replace("_", " ") for text in words}
    unused = [name for name in held(repository, code)["names"] if name not in words | titles]
    assert not unused, f"nothing in audit/ is called these names of {code}.yaml; take them out:\n" + "\n".join(unused)


def test_checks_dimensions_and_outcomes_have_names(code: str) -> None:
    known = catalog(code).texts
    titles = [title_of(name) for name in (*(check_by_code(c).name for c in OURS), *DIMENSIONS)]
    words = [*(s.label for s in Severity), *(s.value for s in Status if s is not Status.NOT_APPLICABLE)]
    assert [name for name in (*titles, *words) if name not in known] == []


def test_placeholders_are_the_same_in_both_languages(repository: Path, code: str) -> None:
    entries = held(repository, code)
    texts = {**entries["texts"], **entries["names"]}
    assert [text for text, said in texts.items() if sorted(holes_of(text)) != sorted(holes_of(said))] == []
    for sentences in entries["sentences"].values():
        made_up = [text for text, said in sentences.items() if not set(holes_of(said)) <= set(holes_of(text))]
        assert not made_up, "these translations have placeholders that the English does not have"


def held(repository: Path, code: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    path = repository / "reports" / "templates" / "languages" / f"{code}.yaml"
    entries: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=loader)  # both are safe
    return entries


def strings_of(repository: Path) -> Iterator[str]:
    """Yield each string of the code: values, and names of keyword arguments (`dict(rows=...)`)."""
    for path in (repository / "audit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.keyword) and node.arg:
                yield node.arg
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):  # fields, by `asdict`
                yield node.target.id


# --- what checks say --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_a_check_says_in_its_cases_is_translated(path: Path, code: str) -> None:
    check = check_by_code(path.stem)
    cases = yaml.safe_load(path.read_text("utf-8"))
    outcomes = [_run_case(make_check(check, case.get("options", {})), case) for case in cases]
    assert untranslated(outcomes, code) == []


@pytest.mark.parametrize("name", ["customers_planted.parquet", "orders_planted.parquet", "flights.parquet"])
def test_what_is_said_of_sample_tables_is_translated(name: str, code: str) -> None:
    assert untranslated(test_sample_data.result_of(name).outcomes, code) == []


@pytest.mark.parametrize("name", ["log_planted", "cartpole_planted", "pendulum_late_planted"])
def test_what_is_said_of_sample_trajectories_is_translated(name: str, code: str, tmp_path: Path) -> None:
    assert untranslated(test_sample_trajectories.result_of(tmp_path, name, "canonical").outcomes, code) == []


def test_what_a_check_measures_is_translated(code: str) -> None:
    known, english = catalog(code), []
    for name in OURS:
        check = check_by_code(name)
        said = (definition(check), *option_notes(check).values())
        english += [f"{name}: {text}" for text in said if translated(text, name, (), known) is None]
    assert not english


def untranslated(outcomes: list[Outcome] | tuple[Outcome, ...], code: str) -> list[str]:
    """Return the sentences that no pattern matches, each with its check."""
    known = catalog(code)
    found = (
        f"{outcome.code}: {text}"
        for outcome in outcomes
        for text, names in sentences_of(outcome)
        if text and translated(text, outcome.code, names, known) is None
    )
    return list(dict.fromkeys(found))


def sentences_of(outcome: Outcome) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each sentence of a check, with the names that may stand in it."""
    yield outcome.reason, ()
    yield from ((one.reason, ()) for one in outcome.not_evaluated)
    for finding in outcome.findings:
        names = (*finding.columns, *finding.episodes)
        yield finding.message, names
        yield finding.remedy, names
        yield str(finding.basis), ()
        if finding.limit is not None:
            yield finding.limit_source, ()
        if finding.interval is not None:
            yield finding.interval.method, ()
    yield from ((view.caption, ()) for view in outcome.views)
    for chart in (*(f.chart for f in outcome.findings if f.chart), *(view.chart for view in outcome.views)):
        yield from ((text, ()) for text in words_of(chart))


def words_of(chart: Chart) -> Iterator[str]:
    """Yield what a chart says; a single word may be a column, and what it is called is no text of ours."""
    for text in (chart.title, chart.x_title, chart.y_title):
        if " " in text:
            yield text


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_which_language_it_is_in(flights_result: Result) -> None:
    assert '<html lang="en">' in render_html(flights_result)
    page = render_html(flights_result, language="zh")
    assert '<html lang="zh-Hans">' in page
    assert "应采取的措施" in page
    assert "What to do" not in page


def test_a_sentence_that_nobody_translated_stays_english_and_says_so(flights_result: Result) -> None:
    finding = Finding(
        code="ACME001",
        columns=("x",),
        severity=Severity.WARN,
        message="x: <b>odd</b> in May",
        statistic="oddity",
        value=1.0,
        limit=0.5,
        basis=Basis(3, 3),
    )
    outcome = Outcome("ACME001", "acme", "completeness", Status.WARN, "1 warn", findings=(finding,))
    result = dataclasses.replace(flights_result, outcomes=(outcome,))
    assert '<span lang="en">x: &lt;b&gt;odd&lt;/b&gt; in May</span>' in render_html(result, language="zh")
    assert "<span lang" not in render_html(result)


def test_hostile_names_stay_text_in_every_language(hostile_result: Result, code: str) -> None:
    reader = Reader(render_html(hostile_result, language=code))
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"img", "iframe", "object", "link"} & set(tags)
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag


@pytest.mark.parametrize(
    "name",
    [
        "a': 5 of 9 values missing (1%), limit 2%",
        "{rows}",
        "{missing:text}",
        ", limit ",
        *(name for name in HOSTILE if len(name) < 80),
    ],
)
def test_a_name_that_looks_like_a_sentence_is_kept_whole(name: str, code: str) -> None:
    message = f"'{name}': 20 of 100 values missing (20.0%), limit 5.0%"
    found = translated(message, "COM001", (name,), catalog(code))
    assert found is not None
    assert name in found
    assert re.search(r"100\D+20\D+20\.0%.*5\.0%$", found.replace(name, ""))


def test_a_long_name_costs_no_time() -> None:
    pattern = make_pattern(
        "'{column}': {missing} of {rows} rows, {share#}{rest?}", "{rest}{share}{rows}{missing}{column}"
    )
    assert pattern.match("'" + "' : of rows, 1" * 100_000 + "'", ()) is None


def test_a_page_of_500_columns_is_translated_throughout(code: str) -> None:
    page = render_html(wide(500, 1500), language=code)
    assert page.count("<tbody id=") == 1500


# --- choosing a language ----------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "orders.csv"
    path.write_text("id,amount\n" + "".join(f"{i},{i % 7}\n" for i in range(60)))
    return str(path)


def test_the_command_line_writes_the_report_in_a_language(table: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    for arguments, environment in ((["--lang", "zh"], {}), ([], {"AUDIT_LANG": "zh"})):
        ran = CliRunner().invoke(app, ["run", table, "-o", str(page), *arguments], env=environment)
        assert ran.exit_code in (0, 1), ran.output
        assert '<html lang="zh-Hans">' in page.read_text("utf-8")


def test_an_unknown_language_is_an_error_that_lists_those_there_are(table: str) -> None:
    ran = CliRunner().invoke(app, ["run", table, "--lang", "tlh"])
    assert ran.exit_code == 2
    assert "there is no report in the language 'tlh'; there are en, zh" in " ".join(ran.output.split())


def test_python_chooses_a_language_by_setting_or_by_page(table: str) -> None:
    result = audit.run(table, lang="zh")
    assert 'lang="zh-Hans"' in result.to_html()
    assert 'lang="en"' in result.to_html(lang="en")
    with pytest.raises(ConfigError, match="there are en, zh"):
        result.to_html(lang="tlh")


def test_the_json_stays_english(table: str) -> None:
    stated = [
        [(outcome.reason, [f.message for f in outcome.findings]) for outcome in audit.run(table, lang=lang).outcomes]
        for lang in ("en", "zh")
    ]
    assert stated[0] == stated[1]
