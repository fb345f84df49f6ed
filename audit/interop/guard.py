"""Functions that take or return data, guarded by an audit."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, overload

from audit.errors import ConfigError, FindingsError, did_you_mean
from audit.result import FAIL_ON
from audit.runner import run

P = ParamSpec("P")
R = TypeVar("R")


class AuditWarning(UserWarning):
    """Findings in data that a guarded function took or returned, with `on_findings="warn"`."""


@overload
def guard(argument: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def guard(
    *arguments: str,
    returned: bool | None = None,
    fail_on: str = "fail",
    on_findings: Literal["raise", "warn"] = "raise",
    **settings: Any,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def guard(
    *arguments: Any,
    returned: bool | None = None,
    fail_on: str = "fail",
    on_findings: Literal["raise", "warn"] = "raise",
    **settings: Any,
) -> Any:
    """Audit the data that a function takes or returns, each time it is called.

        @audit.guard("orders", fail_on="warn", key="order_id")
        def monthly_totals(orders): ...

        @audit.guard
        def load(): ...

    Args:
        *arguments: names of the parameters to audit before the call; none audits what the function returns.
        returned: whether to audit what is returned, too; by default only where no argument is named.
        fail_on: findings from here on count: "fail" or "warn".
        on_findings: "raise" stops with `FindingsError`, "warn" gives an `AuditWarning` and goes on.
        **settings: as for `audit.run`: roles, `select`, `checks`, `reference`, `config` ...

    Returns:
        The decorator; a coroutine function stays one.

    Raises:
        ConfigError: a parameter is not one of the function's, or an option has another value than those above.
        FindingsError: when the function is called: the data has such findings, or a check broke.
    """
    if len(arguments) == 1 and callable(arguments[0]):
        return _Watch((), True, fail_on, on_findings, settings).over(arguments[0])
    if fail_on not in FAIL_ON or on_findings not in ("raise", "warn"):
        wrong = f"fail_on is '{fail_on}' (fail, warn, never), on_findings is '{on_findings}' (raise, warn)"
        raise ConfigError(f"guard: {wrong}; one of them is not allowed")
    also = not arguments if returned is None else returned
    return _Watch(arguments, also, fail_on, on_findings, settings).over


@dataclass(frozen=True, slots=True)
class _Watch:
    """What is audited around a call, and what then happens."""

    arguments: tuple[str, ...]
    returned: bool
    fail_on: str
    on_findings: str
    settings: Mapping[str, Any]

    def over(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the guarded function."""
        signature = inspect.signature(function)
        for name in self.arguments:
            if name not in signature.parameters:
                nearest = did_you_mean(name, signature.parameters)
                raise ConfigError(f"guard: {function.__qualname__} has no parameter '{name}'{nearest}")

        def before(args: Any, options: Any) -> None:
            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            for name in self.arguments:
                self.look(bound.arguments[name], f"{function.__qualname__}({name})")

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_later(*args: Any, **options: Any) -> Any:
                before(args, options)
                return self.after(await function(*args, **options), function)

            return call_later

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            before(args, options)
            return self.after(function(*args, **options), function)

        return call

    def after(self, value: Any, function: Callable[..., Any]) -> Any:
        """Audit what was returned, if that is wanted, and pass it on."""
        if self.returned:
            self.look(value, f"{function.__qualname__}()")
        return value

    def look(self, data: Any, what: str) -> None:
        """Audit data and report what is found; a check that broke always stops."""
        result = run(data, **{"name": what, **self.settings})
        if result.ok(self.fail_on):
            return
        if self.on_findings == "raise" or result.errors:
            result.raise_for_status(self.fail_on)
        try:
            result.raise_for_status(self.fail_on)
        except FindingsError as error:
            warnings.warn(str(error), AuditWarning, stacklevel=4)
