"""Functions that take or return data, guarded by an audit."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar, overload

from audit.errors import ConfigError, FindingsError, did_you_mean
from audit.result import FAIL_ON, Result
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
        return _guarded(arguments[0], (), True, fail_on, on_findings, settings)
    if fail_on not in FAIL_ON or on_findings not in ("raise", "warn"):
        wrong = f"fail_on is '{fail_on}' (fail, warn, never), on_findings is '{on_findings}' (raise, warn)"
        raise ConfigError(f"guard: {wrong}; one of them is not allowed")
    also = not arguments if returned is None else returned
    return lambda function: _guarded(function, arguments, also, fail_on, on_findings, settings)


def _guarded(
    function: Callable[..., Any],
    arguments: tuple[str, ...],
    returned: bool,
    fail_on: str,
    on_findings: str,
    settings: dict[str, Any],
) -> Callable[..., Any]:
    signature = inspect.signature(function)
    for name in arguments:
        if name not in signature.parameters:
            nearest = did_you_mean(name, signature.parameters)
            raise ConfigError(f"guard: {function.__qualname__} has no parameter '{name}'{nearest}")

    def look(data: Any, what: str) -> None:
        result = run(data, **{"name": what, **settings})
        if not result.ok(fail_on):
            _report(result, fail_on, on_findings)

    def before(args: Any, options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.apply_defaults()
        for name in arguments:
            look(bound.arguments[name], f"{function.__qualname__}({name})")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_later(*args: Any, **options: Any) -> Any:
            before(args, options)
            value = await function(*args, **options)
            if returned:
                look(value, f"{function.__qualname__}()")
            return value

        return call_later

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        before(args, options)
        value = function(*args, **options)
        if returned:
            look(value, f"{function.__qualname__}()")
        return value

    return call


def _report(result: Result, fail_on: str, on_findings: str) -> None:
    if on_findings == "raise" or result.errors:
        result.raise_for_status(fail_on)
    try:
        result.raise_for_status(fail_on)
    except FindingsError as error:
        warnings.warn(str(error), AuditWarning, stacklevel=4)
