"""Frozen dataclasses of settings from and to plain JSON values and `name=value` texts."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from rl_data.errors import SettingsError, unknown

T = TypeVar("T")


def from_plain(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Return an instance of a dataclass; what is not given keeps its default.

    Args:
        cls: a dataclass; its fields may be dataclasses too.
        values: by field name, as JSON has them.
        where: put before a field's name in messages, such as "network.".

    Raises:
        SettingsError: a name is unknown, or a value is not of the field's type or range.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{cls.__name__} takes values by name, not {values!r}")
    kinds = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]  # `type` cannot say that it is a dataclass
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in names:
            raise unknown(f"option {where}{name}", name, names, where)
        given[name] = _converted(kinds[name], value, where + name)
    try:
        return cls(**given)
    except TypeError as error:
        raise SettingsError(f"{cls.__name__}: {error}") from error


def to_plain(settings: Any) -> dict[str, Any]:
    """Return a dataclass as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return found


def parse_options(texts: Iterable[str]) -> dict[str, Any]:
    """Return nested values from texts such as "alpha=1" and "network.width=64".

    Raises:
        SettingsError: a text has no "=".
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise SettingsError(f"options are written name=value, not {text!r}")
        _put(found, name.strip(), _parsed(value))
    return found


def option_texts(values: Mapping[str, Any]) -> list[str]:
    """Return the texts from which `parse_options` makes these nested values, none of them rounded."""
    return [f"{name}={_text(value)}" for name, value in flat(values).items()]


def flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return nested values by their whole names: {"network.width": 64} of {"network": {"width": 64}}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{where}{name}.") if isinstance(value, Mapping) else {where + name: value}
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by whole names as nested ones: what `flat` undoes.

    Raises:
        SettingsError: a name is both an option and a group of options.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        _put(found, name, value)
    return found


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    place = found
    for group in groups:
        place = place.setdefault(group, {})
        if not isinstance(place, dict):
            raise SettingsError(f"{name}: {group} is an option of its own, not a group of options")
    place[last] = value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.strip()


def _text(value: Any) -> str:
    """Return the text that `_parsed` reads as the value: words as they are, all else as JSON."""
    return value if isinstance(value, str) and _parsed(value) == value else json.dumps(value)


def _converted(kind: Any, value: Any, name: str) -> Any:
    """Return the value as the field's type has it."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise SettingsError(f"{name} has options of its own, such as {name}.{dataclasses.fields(kind)[0].name}=...")
        return from_plain(kind, value, f"{name}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _converted(next(a for a in arguments if a is not type(None)), value, name)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_converted(arguments[0], one, name) for one in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    expected = getattr(kind, "__name__", str(kind))
    raise SettingsError(f"{name} must be of type {expected}, not {value!r}")
