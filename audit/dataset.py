"""The dataset as checks see it: schema, roles, identity, clock. It holds no data.

The relation behind it (a file scan, a table, a frame) is the engine's business: `audit.sources`.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.errors import RolesError, did_you_mean


class Kind(enum.Flag):
    """What kind of data a dataset holds; a check's `kinds` names those that it can judge."""

    TABULAR = enum.auto()
    TRAJECTORY = enum.auto()


class ColumnKind(enum.StrEnum):
    """What can be done with a column's values."""

    NUMERIC = "numeric"  # integers, floats, decimals
    BOOLEAN = "boolean"
    TEXT = "text"  # strings, dictionaries and enums of strings, UUIDs
    TEMPORAL = "temporal"  # dates and timestamps
    DURATION = "duration"  # times of day and intervals
    BINARY = "binary"
    NESTED = "nested"  # lists, structs, maps, unions
    NULL = "null"  # the type of a column that never held a value


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its kind, the source's own type in words, and what the kind leaves open.

    Attributes:
        name: the column's name, exactly as in the source.
        kind: what can be done with it.
        type: the engine's type, such as `DECIMAL(10,2)`.
        integer: for numeric columns, whether values are whole by type.
        floating: for numeric columns, whether NaN and infinity can occur.
        zoned: for timestamps, whether the values carry a time zone (an instant) or are wall-clock times.
        date_only: for temporal columns, whether the type is a date.
    """

    name: str
    kind: ColumnKind
    type: str = ""
    integer: bool = False
    floating: bool = False
    zoned: bool = False
    date_only: bool = False


@dataclass(frozen=True, slots=True)
class RoleEvidence:
    """Why a role was given to columns: printed, so that a wrong guess is seen. `given` means the user said so."""

    role: str
    columns: tuple[str, ...]
    reason: str
    given: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column plays which part. None or empty: no column does.

    Attributes:
        label: what a model would learn to predict.
        label_kind: "classes" or "number"; None without a label.
        prediction: a second label or a model's predicted label, to compare with `label`.
        annotators: three or more columns of labels for the same thing (LBL004); two are label and prediction.
        probabilities: predicted probabilities: one column a class (`probability_classes` names them in order), or one
            list column.
        probability_classes: the label value that each probability column speaks about, as text.
        time: when the thing happened.
        ingested: when the row arrived.
        key: what should identify a row.
        group: what rows belong together (customer, patient, site): never split across folds.
        split: train / validation / test.
        weight: sample weight.
        features: what a model would learn from: everything without another role, in file order.
        evidence: one entry a role.
    """

    label: str | None = None
    label_kind: str | None = None
    prediction: str | None = None
    annotators: tuple[str, ...] = ()
    probabilities: tuple[str, ...] = ()
    probability_classes: tuple[str, ...] = ()
    time: str | None = None
    ingested: str | None = None
    key: tuple[str, ...] = ()
    group: str | None = None
    split: str | None = None
    weight: str | None = None
    features: tuple[str, ...] = ()
    evidence: tuple[RoleEvidence, ...] = ()


@dataclass(frozen=True, slots=True)
class TrajectoryInfo:
    """What is known of trajectories without judging their values.

    Attributes:
        format: the source's format, such as "minari-hdf5".
        episodes: number of episodes.
        observation_names: of the entries of the observation: the source's, else `observation[0]`, ...
        action_names: of the entries of a vector of actions, else `action[0]`, ...; empty when actions are choices.
        actions: number of choices of discrete actions; None when actions are vectors.
        fields: what the source gives, of: `rewards`, `terminated`, `truncated`, `ended`, `next_observations`,
            `timestamps`, `behaviour_log_prob`, `policy_ids`, `weights`, and `infos.NAME`.
        step_limit: the declared longest episode.
        fps: declared frames a second.
        env_id: the Gymnasium id of the environment.
        mapping: source field -> canonical field, in words.
        unknown: what the source could not say, in words.
        skipped: what was left out and why (images, pickled objects), in words.
        problems: parts that could not be read: (where, what is wrong).
    """

    format: str
    episodes: int
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...] = ()
    actions: int | None = None
    fields: frozenset[str] = frozenset()
    step_limit: int | None = None
    fps: float | None = None
    env_id: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers of choices."""
        return self.actions is not None

    def gives(self, *fields: str) -> bool:
        """Whether the source has all of these fields."""
        return self.fields.issuperset(fields)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What `Check.ask` gets: everything that is known without reading the rows.

    Attributes:
        uri: where the data is, as shown to people.
        id: what identifies this dataset across runs (the name that fingerprints of findings hang on).
        kind: tabular or trajectory.
        columns: the columns in file order.
        roles: which column plays which part.
        rows: number of rows.
        as_of: the moment that "now" means in this audit; always zoned.
        timezone: the zone that naive timestamps are in; None when nobody said.
        seed: of every random choice.
        reference: the dataset to compare with (`--ref`), or None.
        notes: what the source reader found out and decided (delimiter, encoding, files with other schemas ...).
        trajectory: what is known of trajectories; None for a table. `rows` are then steps.
    """

    uri: str
    id: str
    columns: tuple[Column, ...]
    rows: int
    as_of: dt.datetime
    kind: Kind = Kind.TABULAR
    roles: Roles = field(default_factory=Roles)
    timezone: str | None = None
    seed: int = 0
    schema_hash: str = ""
    size: int | None = None
    reference: Dataset | None = None
    notes: tuple[str, ...] = ()
    trajectory: TrajectoryInfo | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All column names in file order."""
        return tuple(column.name for column in self.columns)

    @property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def episodes(self) -> TrajectoryInfo:
        """What is known of the trajectories; for checks of trajectories, which are never asked about a table."""
        assert self.trajectory is not None
        return self.trajectory

    def of_kind(self, *kinds: ColumnKind, names: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return the names of columns of these kinds, in file order; `names` narrows the choice (such as features)."""
        allowed = None if names is None else set(names)
        return tuple(c.name for c in self.columns if c.kind in kinds and (allowed is None or c.name in allowed))

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            RolesError: there is no such column; the message names the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise RolesError(f"no column '{name}' in {self.uri}{did_you_mean(name, self.names)}")
