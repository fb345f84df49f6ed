"""The report of trajectories: what was read and how, pictures by check, episodes worst first; of a fixed size."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import audit
from audit.findings import Outcome, Status
from audit.report.formats import FORMATS, render_text
from audit.report.page import make_page
from audit.report.render import render_html
from audit.report.trajectories import MOST_EPISODES, SLOTS
from audit.result import Result
from rl_data.episodes import from_episodes
from rl_data.trajectories import Space
from tests.report.conftest import HOSTILE
from tests.report.test_schema import closed
from tests.report.trajectory_results import trajectory_result


class Reader(HTMLParser):
    """Collects the attributes of tags, and the text of the page and of one section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.section: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._inside = ("id", "trajectories") in attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._inside:
            self.section.append(data)


def words(parts: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(parts))


@pytest.fixture(scope="module")
def result() -> Result:
    return trajectory_result(100)


@pytest.fixture(scope="module")
def page(result: Result) -> str:
    return render_html(result)


def without(result: Result, *codes: str) -> Result:
    return dataclasses.replace(result, outcomes=tuple(o for o in result.outcomes if o.code not in codes))


def test_the_header_counts_steps_and_episodes_not_rows_and_columns(page: str) -> None:
    text = words(Reader(page).words)
    assert ">50,000 steps in 100 episodes</p>" in page
    assert "all 50,000 steps" in text
    assert not re.search(r"\b(all|Missing) [\d,]*\s*rows\b", text)


def test_the_section_says_how_the_source_was_read(page: str) -> None:
    text = words(Reader(page).section)
    for said in (
        "d4rl",
        "observations",
        "dones",
        "how episodes end: `dones` is one flag",
        "images, counted",
        "2 choices",
    ):
        assert said in text


def test_what_could_not_be_read_stands_above_everything(result: Result) -> None:
    assert result.dataset.reading is not None
    reading = dataclasses.replace(result.dataset.reading, problems=(("file-2", "cut off"), ("file-3", "empty")))
    broken = dataclasses.replace(result, dataset=dataclasses.replace(result.dataset, reading=reading))
    assert make_page(broken, include_samples=False).notes == (
        "Not all could be read: file-2: cut off (and 1 other part)",
    )
    assert "file-3: empty" in render_text(broken)


def test_pictures_stand_where_their_check_puts_them_or_the_reason_why_not(result: Result, page: str) -> None:
    text = words(Reader(page).section)
    assert set(SLOTS) <= {title for title in SLOTS if title in text}
    for said in ("Return of each episode", "Episode lengths", "Coverage", "Lag test", "Flags at the end of episodes"):
        assert said in text
    assert "BAL101 not assessed: there are no actions." in text
    assert "BAL102 not assessed: it did not take part." in text
    assert "Which learners the data can feed CQL" not in text  # its picture: the table says it with reasons
    section = make_page(without(result, "LBL102", "REP105"), include_samples=False).trajectories
    assert section is not None
    slots = {slot.title: slot for slot in section.slots}
    assert slots["Do actions, rewards and states line up?"].pictures == ()
    assert slots["Do actions, rewards and states line up?"].reasons == (
        "LBL102 not assessed: it did not take part.",
        "LBL101 not assessed: it did not take part.",
    )
    assert [picture.title for _, picture, _ in slots["Returns and lengths"].pictures] == ["Returns", "Episode lengths"]


def test_other_pictures_of_trajectories_stay_among_those_of_the_dataset(result: Result) -> None:
    other = dataclasses.replace(result.outcomes[2], code="REP199")
    page = make_page(dataclasses.replace(result, outcomes=(*result.outcomes, other)), include_samples=False)
    assert [view.code for view in page.views] == ["REP199"]


def test_a_broken_check_is_said_in_its_place(result: Result) -> None:
    broken = Outcome("LBL102", "action-alignment", "label_accuracy", Status.ERROR, "ValueError: no")
    section = make_page(
        dataclasses.replace(without(result, "LBL102"), outcomes=(*without(result, "LBL102").outcomes, broken)),
        include_samples=False,
    ).trajectories
    assert section is not None
    assert section.slots[-2].reasons[0] == "LBL102 not assessed: the check broke."


def test_the_verdict_says_what_the_data_can_be_used_for(page: str) -> None:
    text = words(Reader(page).words)
    assert re.search(r"suited to CQL with care BC not suited to DQN", text)
    assert "no episode terminates" in text


def test_episodes_come_worst_first_and_findings_link_to_them(page: str) -> None:
    reader = Reader(page)
    rows = [a["id"] for tag, a in reader.tags if tag == "tr" and a.get("id")]
    assert rows == [f"e-{place}" for place in range(100)]
    links = [a.get("href") for tag, a in reader.tags if tag == "a"]
    assert "#e-0" in links
    assert "#v-0" in links
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link} <= set(ids)


def test_steps_are_named_inside_their_episodes(page: str) -> None:
    assert "episode 0: 0, 3; episode 1: 7; counted from the first step of the data: 1,000,000,000" in words(
        Reader(page).words
    )


def test_size_does_not_grow_with_the_data() -> None:
    small, large = (len(render_html(trajectory_result(episodes)).encode()) for episodes in (100, 10_000))
    assert abs(large / small - 1) < 0.05
    page = Reader(render_html(trajectory_result(10_000)))
    assert sum(tag == "tr" and bool(a.get("id")) for tag, a in page.tags) == MOST_EPISODES
    assert "The JSON form of this result has the 1,000 worst." in words(page.section)


def test_size_of_a_real_audit_does_not_grow_with_the_steps() -> None:
    random = np.random.default_rng(0)

    def told(count: int) -> list[dict[str, object]]:
        return [
            {"observations": random.standard_normal((41, 3)), "actions": random.integers(0, 2, 40),
             "rewards": random.standard_normal(40), "terminated": True, "truncated": False}
            for _ in range(count)
        ]  # fmt: skip

    chosen = ["completeness", "representativeness", "class_balance"]
    results = (audit.run(from_episodes(told(count)), kind="trajectory", select=chosen) for count in (100, 1_000))
    small, large = (len(render_html(result).encode()) for result in results)
    assert abs(large / small - 1) < 0.05


def test_no_episodes_and_no_totals_render(result: Result) -> None:
    empty = dataclasses.replace(result, episodes=(), episode_totals=None, outcomes=(), columns=())
    page = words(Reader(render_html(empty)).section)
    assert "There are no episodes." in page


def assert_only_text(page: str) -> None:
    reader = Reader(page)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"img", "iframe", "object"} & set(tags)
    assert '<img src=x onerror="window.__xss=1">' in " ".join(reader.section)
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        assert re.fullmatch(r"#[a-z]+(-[a-z0-9]+)*", attributes.get("href") or "#x"), tag
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", attributes.get("id") or "x")
    assert "n" * 700 not in page
    body = page.rsplit("</style>", maxsplit=1)[-1]
    assert not [c for c in body if not c.isprintable() and c not in "\n\t\u2068\u2069"]


def test_hostile_names_of_episodes_and_streams_stay_text() -> None:
    assert_only_text(render_html(trajectory_result(40, HOSTILE)))


def test_hostile_names_survive_a_real_audit() -> None:
    random = np.random.default_rng(0)
    told = [
        {"id": name, "observations": random.standard_normal((31, len(HOSTILE))), "actions": random.integers(0, 2, 30),
         "rewards": [np.nan, *[1.0] * 29], "terminated": place % 2 == 0, "truncated": False,
         "steps": [0, 1, *range(5, 33)]}
        for place, name in enumerate(HOSTILE)
    ]  # fmt: skip
    space = Space("box", len(HOSTILE), names=HOSTILE)
    result = audit.run(from_episodes(told, observation_space=space, uri=HOSTILE[0]), kind="trajectory")
    assert {"COM101", "COM103"} <= {finding.code for finding in result.findings}
    page = render_html(result)
    assert_only_text(page)
    assert not [c for c in render_text(result, verbose=True) if not c.isprintable() and c != "\n"]


def test_the_same_result_gives_the_same_bytes(result: Result, page: str) -> None:
    assert render_html(result) == page == render_html(trajectory_result(100))


def test_text_says_what_was_read_and_names_episodes(result: Result) -> None:
    lines = render_text(result, width=200).splitlines()
    assert "read as trajectories" in lines
    assert "roles" not in lines
    assert "  d4rl; 50,000 steps in 100 episodes; observations = observation, dones = ended" in lines
    gap = next(line for line in lines if "COM101 fail" in line)
    assert gap.count("episodes 0, 1, 2") == 1  # the message names them: once is enough
    flat = next(line for line in lines if "COR101 warn" in line)
    assert flat.endswith("(episodes 0, 1)")
    assert lines[-2].endswith("in 2.1 s, all steps")


def test_control_characters_in_episode_ids_reach_no_terminal() -> None:
    text = render_text(trajectory_result(40, HOSTILE), verbose=True)
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert max(map(len, text.splitlines())) < 2_000


def test_json_fits_the_published_schema_and_names_nothing_else(result: Result) -> None:
    schema = json.loads((files("audit.report.formats") / "result.schema.json").read_text("utf-8"))
    for one in (result, trajectory_result(1_500), trajectory_result(40, HOSTILE)):
        body = json.loads(FORMATS["json"](one))
        Draft202012Validator(closed(schema)).validate(body)
        assert len(body["episodes"]) <= 1_000
        assert body["findings"][0]["basis"]["text"].endswith("steps")
