"""The file that says what of the possible repairs is to be made: written for people to edit, read back with care.

A plan says everything: a repair that it does not name is not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from audit.cleaning.repairs import STREAMS
from audit.errors import ConfigError, did_you_mean
from audit.findings import RepairKind

KINDS = ("relabel", "shift", "rebuild_next", "split", "drop_steps", "quarantine")
_FLAGS = ("terminated", "truncated")

Id = int | str


class Entry(BaseModel):
    """One repair in a plan: `id` for one that the checks offer, none for one that a person adds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: RepairKind
    id: str | None = None
    apply: bool = True
    what: str = ""
    reason: str = ""
    evidence: str = ""
    touches: str = ""
    episodes: Literal["all"] | tuple[Id, ...] = "all"
    steps: dict[Id, Literal["all", "last"] | tuple[int, ...]] | None = None
    field: str = ""
    value: bool | int | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Entry:
        if self.id is not None:
            return self
        if not self.reason.strip():
            raise ValueError("a repair that you add needs a `reason`")
        if self.kind in ("quarantine", "shift"):
            if self.kind == "quarantine" and self.episodes == "all":
                raise ValueError("a quarantine that you add needs its `episodes: [...]`")
            if self.steps is not None:
                raise ValueError(f"a {self.kind} is of whole `episodes: [...]`, not of `steps`")
        elif not self.steps:
            raise ValueError(f"a {self.kind} that you add needs `steps: {{EPISODE: [STEP, ...]}}` (or all, or last)")
        if self.kind == "relabel" and (self.field not in _FLAGS or not isinstance(self.value, bool)):
            raise ValueError(
                "a relabel that you add needs `field: terminated` or truncated, and `value: true` or false"
            )
        if self.kind == "shift" and (self.field not in STREAMS or type(self.value) is not int or not self.value):
            raise ValueError(
                f"a shift that you add needs `field:` ({', '.join(STREAMS)}) and `value:`, such as 1 or -1"
            )
        return self


class Data(BaseModel):
    """The data that a plan was made for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    sha256: str = ""


class Plan(BaseModel):
    """All repairs, and which of them are to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    data: Data = Data()
    repairs: tuple[Entry, ...] = ()


_HEADER = """\
# What `audit clean` can repair in {name}, and what it rests on.
# Edit this file, then:  audit clean {name} -o DIR --plan THIS_FILE
#
#   apply: true makes a repair, false leaves the data as they are. Only what guesses nothing is true to begin with.
#   episodes: limits a repair to some of its episodes (their ids), all takes every one.
#   Repairs of your own go to the end of the list, such as
#     - {{kind: quarantine, episodes: [3, 7], reason: the camera was covered}}
#     - {{kind: drop_steps, steps: {{3: [0, 1]}}, reason: the arm was moved by hand}}
#     - {{kind: relabel, field: terminated, value: true, steps: {{3: last}}, reason: the goal was reached}}
#   Steps are named by their number in the episode (or: last, all). A repair that is not in this file is not made.
"""


def to_yaml(plan: Plan) -> str:
    """Return a plan as text that people can edit."""
    head = yaml.safe_dump({"version": plan.version, "data": plan.data.model_dump()}, sort_keys=False, width=110)
    parts = [_HEADER.format(name=plan.data.name or "the data"), "\n", head, "\n"]
    if not plan.repairs:
        return "".join([*parts, "repairs: [] # nothing to do\n"])
    parts.append("repairs:\n")
    for entry in plan.repairs:
        known = entry.model_dump(exclude_defaults=True)
        ordered = {name: known[name] for name in _ORDER if name in known}
        ordered["apply"], ordered["episodes"] = entry.apply, _plain(entry.episodes)
        ordered |= {name: _plain(value) for name, value in known.items() if name not in ordered}
        parts += [_item(ordered), "\n"]
    return "".join(parts)


_ORDER = ("id", "apply", "kind", "what", "reason", "evidence", "touches", "episodes")


def _item(values: Mapping[str, Any]) -> str:
    """Return a mapping as an item of a list, values in one line each."""
    lines = []
    for name, value in values.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
        lines.append(f"{name}: {text.removesuffix(chr(10)).removesuffix('...').strip()}")
    return "  - " + "\n    ".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def read_plan(path: str | Path) -> Plan:
    """Read a plan.

    Raises:
        ConfigError: it cannot be read, is no YAML, or holds what no plan holds; with the line.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"no plan {source}; `audit clean DATA -o DIR` writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the plan {source}: {getattr(error, 'strerror', 'it is not UTF-8')}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{source}{line}: not YAML: {problem}") from error
    if not isinstance(content, Mapping) or node is None:
        raise ConfigError(f"{source}: a plan is wanted (version, data, repairs), not {type(content).__name__}")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        lines = dict(_lines(node, ()))
        raise ConfigError(_problem(source, error, lines)) from error


Place = tuple[int | str, ...]


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """Return the line of everything in a YAML document by its place."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, number), value.start_mark.line + 1
            yield from _lines(value, (*place, number))


def _problem(source: Path, error: ValidationError, lines: Mapping[Place, int]) -> str:
    problem = error.errors()[0]
    place: Place = tuple(problem["loc"])
    known = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
    where = f"{source}, line {known}" if known else str(source)
    name = str(place[-1]) if place else ""
    if problem["type"] == "extra_forbidden":
        fields = (
            Entry.model_fields if place[0] == "repairs" else Data.model_fields if len(place) > 1 else Plan.model_fields
        )
        return f"{where}: unknown key '{name}'{did_you_mean(name, fields)}"
    if problem["type"] == "literal_error" and name == "kind":
        return f"{where}: unknown kind {problem['input']!r}{did_you_mean(str(problem['input']), KINDS)}"
    named = next((str(part) for part in reversed(place) if part in Entry.model_fields or part in Plan.model_fields), "")
    said = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if problem["type"] == "value_error" or not named else f"{where}: '{named}': {said}"
