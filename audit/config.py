"""The settings of an audit: `audit.yaml`, `[tool.audit]`, the command line and `audit.run` all end up in a `Config`."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from audit.errors import ConfigError, did_you_mean

DEFAULT_SAMPLE = 200_000
SETTINGS_SUFFIX = ".audit.yaml"


def _as_list(value: Any) -> Any:
    """Let one name stand for a list of one."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class RoleSettings(BaseModel):
    """Which column plays which part; what is left out is guessed, `none` says that no column does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str | None = Field(default=None, description="what a model would learn to predict")
    label_kind: Literal["classes", "number"] | None = Field(default=None, description="how the label is to be read")
    prediction: str | None = Field(default=None, description="a second label or a model's predicted label")
    annotators: Names = Field(default=(), description="columns of labels by several people")
    probabilities: Names = Field(
        default=(), description="predicted probabilities: a column a class, or one list column"
    )
    probability_classes: Names = Field(default=(), description="the class that each probability column speaks about")
    time: str | None = Field(default=None, description="when the thing happened")
    ingested: str | None = Field(default=None, description="when the row arrived")
    key: Names = Field(default=(), description="what identifies a row")
    group: str | None = Field(default=None, description="what rows belong together: customer, patient, site")
    split: str | None = Field(default=None, description="train / validation / test")
    weight: str | None = Field(default=None, description="sample weight")
    features: Names = Field(
        default=(), description="what a model would learn from; default: everything without another role"
    )


class Config(BaseModel):
    """All settings. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(
        default=None, description="what identifies this dataset across runs; default: the file's name"
    )
    kind: Literal["auto", "tabular", "trajectory"] = Field(
        default="auto", description="how the data is read; auto looks into the file"
    )
    reference: str | None = Field(default=None, description="the dataset to compare with: a path, as for the data")
    roles: RoleSettings = Field(default_factory=RoleSettings)
    timezone: str | None = Field(default=None, description="the zone of timestamps without one, such as Europe/Berlin")
    as_of: dt.datetime | None = Field(
        default=None, description="the moment that counts as now; default: the start of the run"
    )
    select: Names = Field(default=(), description="dimensions, code prefixes or codes to run; default: all")
    ignore: Names = Field(default=(), description="dimensions, code prefixes or codes to leave out")
    fail_on: Literal["fail", "warn", "never"] = Field(
        default="fail", description="findings from here on give exit code 1"
    )
    sample: int = Field(
        default=DEFAULT_SAMPLE, ge=1_000, description="most rows for distributions, associations and models"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of the sample and of every model")
    memory: str = Field(default="1GB", description="of the SQL engine; more is spilled to disk")
    threads: int | None = Field(default=None, ge=1, description="default: all processors")
    lang: str = Field(default="en", description="the language of the HTML report: en or zh; all else is English")
    spill: str | None = Field(
        default=None, description="folder for what does not fit into memory; default: a temporary one"
    )
    checks: dict[str, dict[str, Any]] = Field(default_factory=dict, description="options by check code")

    @field_validator("sample", mode="before")
    @classmethod
    def _off_means_all(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare `off` as False
        return 2**62 if value is False or (isinstance(value, str) and value.lower() == "off") else value

    @field_validator("memory")
    @classmethod
    def _memory_has_unit(cls, value: str) -> str:
        text = value.strip().upper().replace(" ", "")
        number = text.rstrip("BKMGTI")
        if not number.replace(".", "", 1).isdigit() or text == number:
            raise ValueError("a number with a unit is wanted, such as 500MB or 4GB")
        return text

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise ValueError("not a zone of the IANA list; UTC or Europe/Berlin are") from error
        return value

    @field_validator("lang")
    @classmethod
    def _language_exists(cls, value: str) -> str:
        from audit.report.language import check_language

        try:
            return check_language(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    @property
    def now(self) -> dt.datetime:
        """`as_of` with a zone (`timezone`, else UTC), or the present moment."""
        if self.as_of is None:
            return dt.datetime.now(dt.UTC)
        if self.as_of.tzinfo is not None:
            return self.as_of
        return self.as_of.replace(tzinfo=ZoneInfo(self.timezone) if self.timezone else dt.UTC)

    def to_settings(self) -> dict[str, Any]:
        """Return the settings that matter to the result, as plain JSON types."""
        kept = self.model_dump(mode="json", exclude={"roles", "spill", "threads"})
        kept["as_of"] = self.now.isoformat()
        kept["sample"] = "off" if self.sample >= 2**62 else self.sample
        return kept


def load_config(path: str | Path) -> Config:
    """Read `audit.yaml`, or `[tool.audit]` where the path is a pyproject.toml.

    Raises:
        ConfigError: the file cannot be read, is malformed (with the line) or holds unknown names.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration file {source}; write one, or leave --config out") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {source}: it is not UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror}") from error
    values = _parse(source, text)
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        place = "" if source.suffix == ".toml" else _line_of(text, error.errors()[0]["loc"])
        raise ConfigError(f"{source}{place}: {_first_problem(error)}") from error
    beside = source.parent / (config.reference or "")
    if config.reference and "://" not in config.reference and beside.exists():  # a path is as seen from the file
        return config.model_copy(update={"reference": str(beside)})
    return config


def settings_beside(data: object) -> Path | None:
    """Return the settings beside a data file, `orders.audit.yaml` beside `orders.parquet`, or None."""
    if not isinstance(data, str | Path) or "://" in str(data):
        return None
    path = Path(data)
    beside = path.parent / (path.name.split(".")[0] + SETTINGS_SUFFIX)
    return beside if path.name and os.path.isfile(beside) else None  # unlike Path.is_file, for names of any length


def make_config(values: Mapping[str, Any], where: str = "settings") -> Config:
    """Validate settings given as a mapping.

    Raises:
        ConfigError: one line that names the setting, what is wrong and what is allowed.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_problem(error)}") from error


def merge(base: Config, changes: Mapping[str, Any], where: str = "command line") -> Config:
    """Return `base` with some settings replaced; `roles` and `checks` are merged name by name.

    Raises:
        ConfigError: as `make_config`.
    """
    values = base.model_dump(exclude_unset=True)
    for name, value in changes.items():
        if name in ("roles", "checks") and isinstance(value, Mapping):
            inner = dict(values.get(name, {}))
            for key, item in value.items():
                inner[key] = {**inner.get(key, {}), **item} if name == "checks" else item
            values[name] = inner
        else:
            values[name] = value
    return make_config(values, where)


def make_check(check: type[Any], options: Mapping[str, Any]) -> Any:
    """Return a check with options from the configuration, types converted.

    Raises:
        ConfigError: an option is unknown (the message names the nearest) or has a wrong type.
    """
    if not options:
        return check()
    known = [name for name in check.__dataclass_fields__ if name.isidentifier()]
    for name in options:
        if name not in known:
            allowed = did_you_mean(name, known) if known else "; it has no options"
            raise ConfigError(f"check {check.code} has no option '{name}'{allowed}")
    try:
        return TypeAdapter(check).validate_python(dict(options))
    except ValidationError as error:
        raise ConfigError(f"check {check.code}: {_first_problem(error)}") from error


def _parse(source: Path, text: str) -> Mapping[str, Any]:
    if source.suffix == ".toml":
        import tomllib

        try:
            found = tomllib.loads(text).get("tool", {}).get("audit", {})
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{source} is not TOML: {error}") from error
    else:
        try:
            found = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            problem = " ".join(str(getattr(error, "problem", None) or error).split())
            raise ConfigError(f"{source}{line}: not YAML: {problem}") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{source}: settings are wanted at the top (name: value), not {type(found).__name__}")
    return found


def _line_of(text: str, path: Sequence[str | int]) -> str:
    r"""Return ", line 3" for the entry of a YAML text that a path of names leads to; "" where there is none.

    >>> _line_of("roles:\n  label: y\n  tme: t\n", ("roles", "tme"))
    ', line 3'
    """
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if getattr(k, "value", None) == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return f", line {line}" if line else ""


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of audit.yaml, for editors; `checks` has the options of every built-in check."""
    from audit.checks import installed

    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Settings of a dataset audit (audit.yaml)"
    options: dict[str, Any] = {}
    for code, check in installed().items():
        own = TypeAdapter(check).json_schema()
        schema.setdefault("$defs", {}).update(own.pop("$defs", {}))
        own.pop("description", None)
        options[code] = {**own, "title": check.name, "additionalProperties": False}
    schema["properties"]["checks"] |= {"properties": options, "additionalProperties": {"type": "object"}}
    return schema


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    name = str(problem["loc"][-1]) if problem["loc"] else ""
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = RoleSettings.model_fields if problem["loc"][0] == "roles" else Config.model_fields
        return f"unknown setting '{place}'{did_you_mean(name, known)}"
    given = problem.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"'{place}': {problem['msg'].removeprefix('Value error, ')}{shown}"
