"""What a check is, and the registry of all installed ones.

A check is a frozen dataclass; its fields are its options; it has two pure methods, `ask` and `judge`. Built-in checks
(every module below this package) and third-party ones come through the same door: the entry-point group
`dataset_audit.checks`, each entry a module, a package or a check class.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import ClassVar, Protocol, TypeVar, cast, runtime_checkable

from audit.dataset import Dataset, Kind
from audit.errors import CheckError, ConfigError, did_you_mean
from audit.facts import Asks, Facts
from audit.findings import DIMENSIONS, Judgement, NotEvaluated

TABULAR = Kind.TABULAR
TRAJECTORY = Kind.TRAJECTORY
HEADINGS = ("What it measures:", "Why it matters:", "What to do:")
ENTRY_POINTS = "dataset_audit.checks"


@runtime_checkable
class Check(Protocol):
    """A check: options as fields, facts in, judgements out.

    Class variables: `code` (three capitals and three digits, never reused), `name` (short, kebab-case), `dimension`
    (one of `findings.DIMENSIONS`), `kinds` (the kinds of dataset that it can judge), and, where a check needs to be
    told what to do, `opt_in` = True: it takes part only where it is selected or has options. The docstring has a first
    line and the three parts of `HEADINGS`: it is the manual that `audit explain` prints.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    dimension: ClassVar[str]
    kinds: ClassVar[Kind]

    def ask(self, data: Dataset) -> Asks | NotEvaluated:
        """Return the facts that this check needs, or why it does not apply to this dataset."""
        ...

    def judge(self, facts: Facts) -> Iterator[Judgement]:
        """Yield findings, the measurements that passed, and what could not be judged."""
        ...


C = TypeVar("C")
_registry: dict[str, type[Check]] = {}
_loaded = False


def register(check: type[C]) -> type[C]:
    """Class decorator: put a check into the registry.

    Raises:
        CheckError: it is not a frozen dataclass, its code, dimension or docstring is not as `Check` says, or another
            class has its code.
    """
    known_as = cast(type[Check], check)
    where = f"check {check.__module__}.{check.__qualname__}"
    if not dataclasses.is_dataclass(check) or not check.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # a dataclass always has it
        raise CheckError(f"{where} is not a frozen dataclass: put @dataclass(frozen=True, slots=True) below @register")
    if not re.fullmatch(r"[A-Z]{3}\d{3}", getattr(check, "code", "")):
        raise CheckError(f"{where}: `code` must be three capitals and three digits, such as COM001")
    if getattr(check, "dimension", "") not in DIMENSIONS:
        raise CheckError(f"{where}: `dimension` must be one of {', '.join(DIMENSIONS)}")
    missing = [heading for heading in HEADINGS if heading not in (check.__doc__ or "")]
    if missing:
        raise CheckError(f"{where}: the docstring lacks {', '.join(repr(m) for m in missing)}; it is the user's manual")
    for method in ("ask", "judge"):
        if not callable(getattr(check, method, None)):
            raise CheckError(f"{where} has no method `{method}`")
    code = known_as.code
    known = _registry.get(code)
    if known is not None and (known.__module__, known.__qualname__) != (check.__module__, check.__qualname__):
        raise CheckError(f"{where}: code {code} is taken by {known.__module__}.{known.__qualname__}")
    _registry[code] = known_as
    return check


def installed() -> Mapping[str, type[Check]]:
    """Return every installed check by code, in the order of the dimensions.

    Raises:
        CheckError: an entry point cannot be loaded; the message names it and the package that brought it.
    """
    global _loaded  # noqa: PLW0603  # loading entry points once a process is the point
    if not _loaded:
        _load_package(importlib.import_module(__name__))
        for entry in entry_points(group=ENTRY_POINTS):
            _load_entry_point(entry)
        _loaded = True
    return dict(sorted(_registry.items(), key=lambda item: (DIMENSIONS.index(item[1].dimension), item[0])))


def check_by_code(code: str) -> type[Check]:
    """Return one check.

    Raises:
        ConfigError: no check has this code; the message names the nearest.
    """
    checks = installed()
    if code.upper() in checks:
        return checks[code.upper()]
    raise ConfigError(f"unknown check '{code}'{did_you_mean(code.upper(), checks)} (`audit checks` lists them all)")


def select(selected: Iterable[str], ignored: Iterable[str]) -> set[str]:
    """Return the codes that dimensions (`completeness`), prefixes (`COM`, `COM0`) and codes choose.

    An empty `selected` means all. Raises `ConfigError` for a word that chooses nothing.
    """
    chosen = set().union(*(_matching(word) for word in selected)) or set(installed())
    return chosen - set().union(*(_matching(word) for word in ignored))


def _matching(word: str) -> set[str]:
    checks = installed()
    text = word.strip()
    if text.lower().replace("-", "_") in DIMENSIONS:
        return {code for code, check in checks.items() if check.dimension == text.lower().replace("-", "_")}
    codes = {code for code, check in checks.items() if code.startswith(text.upper()) or check.name == text.lower()}
    if not codes or not text:
        known = [*DIMENSIONS, *checks]
        raise ConfigError(
            f"unknown check or dimension '{word}'{did_you_mean(text, known)} (`audit checks` lists them all)"
        )
    return codes


def _load_package(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


def _load_entry_point(entry: EntryPoint) -> None:
    try:
        loaded = entry.load()
        if isinstance(loaded, ModuleType) and hasattr(loaded, "__path__"):
            _load_package(loaded)
        elif isinstance(loaded, type):
            register(loaded)
    except CheckError:
        raise
    except Exception as error:
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
        raise CheckError(
            f"the check plug-in '{entry.name}' of {package} cannot be loaded: {type(error).__name__}: {error}; "
            f"repair or uninstall it"
        ) from error
