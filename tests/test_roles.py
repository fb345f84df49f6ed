"""Roles: what is guessed from which evidence, and what is not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from audit.config import Config, RoleSettings
from audit.dataset import Roles
from audit.engine.duckdb import Connection, Limits
from audit.errors import RolesError
from audit.runner import open_subject

ROWS = 600
START = np.datetime64("2024-01-01", "us")


def roles_of(columns: dict[str, Any], **given: Any) -> Roles:
    config = Config(roles=RoleSettings(**given))
    with Connection(Limits(threads=1)) as connection:
        now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
        return open_subject(connection, pa.table(columns), config, now, name=None).dataset.roles


def columns() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "id": np.arange(ROWS),
        "created_at": START + np.arange(ROWS).astype("timedelta64[h]"),
        "loaded_at": START + np.arange(1, ROWS + 1).astype("timedelta64[h]"),
        "customer_id": rng.integers(0, 100, ROWS),
        "split": np.array(["train", "test"])[rng.integers(0, 2, ROWS)],
        "amount": rng.normal(size=ROWS),
        "sample_weight": rng.random(ROWS),
        "label": np.array(["yes", "no"])[rng.integers(0, 2, ROWS)],
        "prediction": np.array(["yes", "no"])[rng.integers(0, 2, ROWS)],
        "prob_yes": rng.random(ROWS),
        "prob_no": rng.random(ROWS),
    }


def test_telling_names_with_fitting_values_are_guessed_with_evidence() -> None:
    roles = roles_of(columns())
    assert (roles.label, roles.label_kind, roles.prediction) == ("label", "classes", "prediction")
    assert (roles.time, roles.ingested) == ("created_at", "loaded_at")
    assert (roles.key, roles.group, roles.split, roles.weight) == (("id",), "customer_id", "split", "sample_weight")
    assert roles.probabilities == ("prob_yes", "prob_no")
    assert roles.probability_classes == ("yes", "no")
    assert roles.features == ("amount",)
    assert {e.role for e in roles.evidence} >= {"label", "time", "key"}
    assert all(e.reason and not e.given for e in roles.evidence)


def test_a_given_role_wins_and_none_switches_a_guess_off() -> None:
    roles = roles_of(columns(), label="amount", key=("none",), time="loaded_at")
    assert (roles.label, roles.label_kind, roles.key, roles.time) == ("amount", "number", (), "loaded_at")
    assert next(e for e in roles.evidence if e.role == "label").given
    assert roles_of(columns(), label=None, key=[]).key == ()
    assert roles_of(columns(), label=None).label is None


def test_an_id_that_repeats_is_no_key_and_a_body_weight_is_no_sample_weight() -> None:
    roles = roles_of({"user_id": np.arange(ROWS) // 3, "weight": np.linspace(50, 90, ROWS), "id": np.zeros(ROWS)})
    assert (roles.key, roles.weight) == ((), None)
    assert roles.group == "user_id"


def test_an_id_with_a_few_duplicates_is_still_taken_as_the_key_so_that_they_are_found() -> None:
    ids = np.arange(ROWS)
    ids[10] = ids[11]
    assert roles_of({"id": ids, "x": np.arange(ROWS)}).key == ("id",)


def test_a_birth_date_is_not_the_time_of_the_row() -> None:
    assert roles_of({"birth_date": START + np.arange(ROWS).astype("timedelta64[D]")}).time is None


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ([0, 1] * 300, "classes"),
        (np.arange(600), "number"),
        ([0.0, 1.0] * 300, "classes"),
        ([True, False] * 300, "classes"),
    ],
)
def test_the_kind_of_a_label(label: Any, kind: str) -> None:
    assert roles_of({"x": np.arange(600), "y": label}).label_kind == kind


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"label": "lable"}, r"'lable', which is not in the data; did you mean 'label'\?"),
        ({"time": "amount"}, "needs a date or timestamp, but column 'amount' is numeric; .* created_at, loaded_at"),
        ({"weight": "label"}, "needs a numeric column"),
    ],
)
def test_unfit_roles_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(RolesError, match=words):
        roles_of(columns(), **given)
