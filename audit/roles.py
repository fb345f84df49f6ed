"""Who plays which part: roles from the user, and guesses with their evidence for the rest.

A guess needs a telling name and values that fit. A wrong guess makes wrong findings, so where the evidence is thin
there is no guess, and the outputs say which flag would help.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.config import RoleSettings
from audit.dataset import Column, ColumnKind, RoleEvidence, Roles
from audit.errors import RolesError, did_you_mean
from audit.sample import Sampled

NONE = "none"

LABEL_NAMES = ("label", "target", "y", "class", "outcome", "ground_truth", "y_true", "target_label", "true_label")
PREDICTION_NAMES = (
    "prediction", "predicted", "pred", "y_pred", "predicted_label", "pred_label", "label_pred", "second_label",
    "label_2", "label2",
)  # fmt: skip
TIME_NAMES = (
    "timestamp",
    "event_time",
    "event_timestamp",
    "datetime",
    "ts",
    "time",
    "date",
    "occurred_at",
    "created_at",
)
INGESTED_NAMES = (
    "ingested_at", "ingestion_time", "ingest_time", "loaded_at", "load_ts", "load_time", "inserted_at", "received_at",
    "arrived_at", "synced_at", "_loaded_at", "_ingested_at", "etl_time",
)  # fmt: skip
KEY_NAMES = ("id", "uuid", "guid", "pk", "key", "row_id", "record_id", "_id")
GROUP_NAMES = (
    "group", "group_id", "patient_id", "subject_id", "customer_id", "user_id", "household_id", "session_id", "site_id",
    "device_id", "account_id",
)  # fmt: skip
SPLIT_NAMES = ("split", "subset", "data_split", "dataset_split", "partition", "fold_type", "set")
SPLIT_VALUES = frozenset(
    ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "holdout")
)
WEIGHT_NAMES = ("sample_weight", "sample_weights", "row_weight", "survey_weight", "weights")
BIRTH = re.compile(r"birth|dob|born", re.IGNORECASE)
ANNOTATOR = re.compile(r"(annotator|rater|labeler|labeller|coder|judge)[ _-]?\w{1,8}", re.IGNORECASE)
PROBABILITY = re.compile(r"(?:prob|proba|probability|p)_(.+)", re.IGNORECASE)
MOST_CLASSES = 50


@dataclass(slots=True)
class _Casting:
    """The cast while it is being made."""

    columns: Sequence[Column]
    sample: Sampled
    given: RoleSettings
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    evidence: list[RoleEvidence] = field(default_factory=list)

    def kind(self, name: str) -> ColumnKind:
        return next(c.kind for c in self.columns if c.name == name)

    def free(self, *kinds: ColumnKind) -> list[str]:
        used = {name for names in self.taken.values() for name in names}
        return [c.name for c in self.columns if c.name not in used and (not kinds or c.kind in kinds)]

    def assign(self, role: str, names: Iterable[str], reason: str, *, given: bool = False) -> None:
        columns = tuple(names)
        self.taken[role] = columns
        self.evidence.append(RoleEvidence(role, columns, reason, given))


def assign_roles(columns: Sequence[Column], sample: Sampled, given: RoleSettings) -> Roles:
    """Return the roles of a dataset's columns: the given ones, and guesses for the others.

    Raises:
        RolesError: a given role names a column that is not there (the message names the nearest) or unfit for it.
    """
    cast = _Casting(columns, sample, given)
    for role in _GUESSES:
        value = getattr(given, role)
        if value:
            _take_given(cast, role, (value,) if isinstance(value, str) else value)
        elif role in given.model_fields_set:  # `label: null` and `key: []` mean that no column plays the role
            cast.taken[role] = ()
    for role, guess in _GUESSES.items():
        if role not in cast.taken:
            guess(cast)
    return _roles(cast)


def _take_given(cast: _Casting, role: str, names: Sequence[str]) -> None:
    if len(names) == 1 and names[0].lower() == NONE and NONE not in {c.name.lower() for c in cast.columns}:
        cast.taken[role] = ()
        return
    known = [c.name for c in cast.columns]
    for name in names:
        if name not in known:
            raise RolesError(
                f"role '{role}' names column '{name}', which is not in the data{did_you_mean(name, known)}"
            )
        kind = cast.kind(name)
        if role in ("time", "ingested") and kind is not ColumnKind.TEMPORAL:
            times = [c.name for c in cast.columns if c.kind is ColumnKind.TEMPORAL]
            allowed = f"; dates and timestamps are {', '.join(times)}" if times else "; the data has none"
            raise RolesError(f"role '{role}' needs a date or timestamp, but column '{name}' is {kind.value}{allowed}")
        if role in _READ_BY_VALUE and kind in (ColumnKind.NESTED, ColumnKind.BINARY):
            raise RolesError(
                f"role '{role}' needs plain values, but column '{name}' is {kind.value}; store it as text or numbers"
            )
        if role == "weight" and kind is not ColumnKind.NUMERIC:
            raise RolesError(f"role 'weight' needs a numeric column, but column '{name}' is {kind.value}")
    cast.assign(role, names, "given", given=True)


def _by_name(cast: _Casting, names: Sequence[str], *kinds: ColumnKind) -> str | None:
    free = {name.lower(): name for name in reversed(cast.free(*kinds))}
    return next((free[name] for name in names if name in free), None)


def _guess_split(cast: _Casting) -> None:
    name = _by_name(cast, SPLIT_NAMES, ColumnKind.TEXT)
    if name is None:
        return
    values = {str(value).strip().lower() for value in cast.sample.codes(name)[1]}
    if values and values <= SPLIT_VALUES and len(values) > 1:
        cast.assign("split", [name], f"its name, and its values are {', '.join(sorted(values))}")


def _guess_label(cast: _Casting) -> None:
    name = _by_name(cast, LABEL_NAMES, ColumnKind.TEXT, ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    if name is not None:
        cast.assign("label", [name], f"a column named '{name}' is what models are usually taught to predict")


def _guess_prediction(cast: _Casting) -> None:
    name = _by_name(cast, PREDICTION_NAMES, ColumnKind.TEXT, ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    label = cast.taken.get("label")
    if name is None or not label:
        return
    kinds = {cast.kind(name), cast.kind(label[0])}
    if len(kinds) == 1 or ColumnKind.TEXT not in kinds:
        cast.assign("prediction", [name], f"its name, beside the label '{label[0]}'")


def _guess_annotators(cast: _Casting) -> None:
    names = [
        name for name in cast.free() if ANNOTATOR.fullmatch(name) and len(cast.sample.codes(name)[1]) <= MOST_CLASSES
    ]
    if len(names) > 1:
        cast.assign("annotators", names, "their names, and few distinct values")


def _guess_probabilities(cast: _Casting) -> None:
    label = cast.taken.get("label")
    if not label:
        return
    classes = {str(value).lower() for value in cast.sample.codes(label[0])[1]}
    names = []
    for name in cast.free(ColumnKind.NUMERIC):
        match = PROBABILITY.fullmatch(name)
        if match and match[1].lower() in classes:
            names.append(name)
    if len(names) > 1 and len(names) >= len(classes) - 1:
        cast.assign("probabilities", names, f"their names: a prefix and a class of '{label[0]}'")


def _guess_ingested(cast: _Casting) -> None:
    name = _by_name(cast, INGESTED_NAMES, ColumnKind.TEMPORAL)
    if name is not None:
        cast.assign("ingested", [name], "its name says when rows arrived")


def _guess_time(cast: _Casting) -> None:
    times = [name for name in cast.free(ColumnKind.TEMPORAL) if not BIRTH.search(name)]
    named = _by_name(cast, TIME_NAMES, ColumnKind.TEMPORAL)
    if named is not None:
        cast.assign("time", [named], f"a timestamp named '{named}'")
    elif len(times) == 1:
        cast.assign("time", times, "the only date or timestamp column")


def _guess_key(cast: _Casting) -> None:
    candidates = cast.free(ColumnKind.NUMERIC, ColumnKind.TEXT)
    named = [name for name in candidates if name.lower() in KEY_NAMES]
    first = cast.columns[0].name if cast.columns else ""
    named += [name for name in candidates if name == first and name.lower().endswith(("_id", "_key", "_uuid"))]
    for name in named:
        column = next(c for c in cast.columns if c.name == name)
        if column.floating:
            continue
        codes, values = cast.sample.codes(name)
        present = int((codes >= 0).sum())
        share = len(values) / present if present else 0.0
        # in a sample of the rows a repeated value is rarely met twice, so there none may be
        if present and (share == 1.0 or (cast.sample.exact and share >= 0.9)):
            where = "" if cast.sample.exact else " in the sample"
            cast.assign("key", [name], f"its name, and {share:.1%} of its values are distinct{where}")
            return


def _guess_group(cast: _Casting) -> None:
    name = _by_name(cast, GROUP_NAMES, ColumnKind.NUMERIC, ColumnKind.TEXT)
    if name is None:
        return
    codes, values = cast.sample.codes(name)
    present = int((codes >= 0).sum())
    if cast.sample.exact and 1 < len(values) <= present / 2:
        cast.assign("group", [name], f"its name, and {present / len(values):.1f} rows a value")


def _guess_weight(cast: _Casting) -> None:
    name = _by_name(cast, WEIGHT_NAMES, ColumnKind.NUMERIC)
    if name is not None:
        cast.assign("weight", [name], "its name")


_READ_BY_VALUE = ("label", "prediction", "annotators", "group", "split")

_GUESSES: Mapping[str, Callable[[_Casting], None]] = {
    "split": _guess_split,
    "label": _guess_label,
    "prediction": _guess_prediction,
    "annotators": _guess_annotators,
    "probabilities": _guess_probabilities,
    "ingested": _guess_ingested,
    "time": _guess_time,
    "key": _guess_key,
    "group": _guess_group,
    "weight": _guess_weight,
}


def _roles(cast: _Casting) -> Roles:
    def one(role: str) -> str | None:
        return next(iter(cast.taken.get(role, ())), None)

    label = one("label")
    label_kind = _label_kind(cast, label) if label is not None else None
    if cast.given.features:
        _take_given(cast, "features", cast.given.features)
        features = cast.taken["features"]
    else:
        features = tuple(cast.free())
    probabilities = cast.taken.get("probabilities", ())
    return Roles(
        label=label,
        label_kind=label_kind,
        prediction=one("prediction"),
        annotators=cast.taken.get("annotators", ()),
        probabilities=probabilities,
        probability_classes=_probability_classes(cast, label, probabilities),
        time=one("time"),
        ingested=one("ingested"),
        key=cast.taken.get("key", ()),
        group=one("group"),
        split=one("split"),
        weight=one("weight"),
        features=features,
        evidence=tuple(cast.evidence),
    )


def _label_kind(cast: _Casting, label: str) -> str:
    if cast.given.label_kind is not None:
        return cast.given.label_kind
    if cast.kind(label) is not ColumnKind.NUMERIC:
        return "classes"
    values: Any = cast.sample.finite(label)
    distinct = len(cast.sample.codes(label)[1])
    whole = bool(len(values)) and bool((values == values.round()).all())
    return "classes" if (whole and distinct <= MOST_CLASSES) or distinct <= 2 else "number"


def _probability_classes(cast: _Casting, label: str | None, probabilities: Sequence[str]) -> tuple[str, ...]:
    if cast.given.probability_classes:
        if len(probabilities) > 1 and len(cast.given.probability_classes) != len(probabilities):
            raise RolesError(
                f"{len(probabilities)} probability columns but {len(cast.given.probability_classes)} "
                "probability_classes; name one class a column, in the same order"
            )
        return cast.given.probability_classes
    if label is None or not probabilities:
        return ()
    classes = [str(value) for value in cast.sample.codes(label)[1]]
    if len(probabilities) == 1:
        return tuple(classes)
    ends = [next((c for c in classes if name.lower().endswith(c.lower())), "") for name in probabilities]
    if all(ends) and len(set(ends)) == len(ends):
        return tuple(ends)
    return tuple(classes) if len(classes) == len(probabilities) else ()
