"""Settings: what is refused, and with which words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from audit.config import Config, load_config, make_check, make_config, merge, settings_beside
from audit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Options:
    code: ClassVar = "COM998"
    warn: float = 0.05
    columns: tuple[str, ...] = ()


def test_a_file_becomes_settings(tmp_path: Path) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(
        "roles: {label: y, key: id}\nselect: completeness\nsample: off\nas_of: 2024-01-02\n"
        "checks: {COM001: {warn: 0.1}}\n"
    )
    config = load_config(path)
    assert (config.roles.label, config.roles.key, config.select) == ("y", ("id",), ("completeness",))
    assert config.sample > 10**15
    assert config.now == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)
    assert config.checks == {"COM001": {"warn": 0.1}}


def test_pyproject_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[tool.audit]\nseed = 3\n[tool.audit.roles]\nlabel = "y"\n')
    assert (load_config(path).seed, load_config(path).roles.label) == (3, "y")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roles:\n  lable: y\n", "unknown setting 'roles.lable'; did you mean 'label'?"),
        ("smaple: 10\n", "unknown setting 'smaple'; did you mean 'sample'?"),
        ("a: [1, 2\nb: 3\n", "line 2"),
        ("- a\n- b\n", "settings are wanted at the top"),
        ("fail_on: sometimes\n", "'fail', 'warn' or 'never'"),
        ("timezone: Mars/Base\n", "IANA"),
        ("memory: lots\n", "500MB"),
        ("sample: 3\n", "1000"),
    ],
)
def test_bad_settings_get_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "audit.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert words in message
    assert "audit.yaml" in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_naive_as_of_is_in_the_given_zone() -> None:
    config = make_config({"as_of": "2024-07-01T12:00:00", "timezone": "Europe/Berlin"})
    assert config.now.utcoffset() == dt.timedelta(hours=2)


def test_options_of_checks_are_converted_and_checked() -> None:
    assert make_check(Options, {"warn": "0.5", "columns": ["a"]}) == Options(0.5, ("a",))
    with pytest.raises(ConfigError, match=r"COM998 has no option 'wran'; did you mean 'warn'\?"):
        make_check(Options, {"wran": 1})
    with pytest.raises(ConfigError, match=r"COM998: 'warn'.*number"):
        make_check(Options, {"warn": "much"})


def test_later_settings_win_name_by_name() -> None:
    base = make_config({"roles": {"label": "y", "time": "t"}, "checks": {"COM001": {"warn": 0.1}}, "seed": 1})
    merged = merge(base, {"roles": {"time": "u"}, "checks": {"COM001": {"fail": 0.5}}, "seed": 2})
    assert (merged.roles.label, merged.roles.time, merged.seed) == ("y", "u", 2)
    assert merged.checks == {"COM001": {"warn": 0.1, "fail": 0.5}}
    assert Config() == merge(Config(), {})


def test_settings_beside_the_data_are_found_and_their_paths_are_theirs(tmp_path: Path) -> None:
    (tmp_path / "orders.audit.yaml").write_text("reference: old.parquet\nroles: {label: y}\n")
    (tmp_path / "old.parquet").touch()
    beside = settings_beside(str(tmp_path / "orders.parquet"))
    assert beside == tmp_path / "orders.audit.yaml"
    assert load_config(beside).reference == str(tmp_path / "old.parquet")
    assert settings_beside(str(tmp_path / "customers.parquet")) is None
    assert settings_beside("memory://orders.parquet") is None
    assert settings_beside({"a": [1]}) is None
