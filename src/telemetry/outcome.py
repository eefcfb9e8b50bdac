"""Says whether what ended with an exception, or with a status of HTTP, succeeded, failed or was denied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Outcome = Literal["success", "failure", "denied"]

_E = TypeVar("_E", bound=BaseException)

_DENIED = frozenset((401, 403, 407))
_FIRST_FAILURE = 400
_STATUSES = range(100, 600)

_rules: dict[type[BaseException], Callable[[Any], Outcome]] = {}


def register_outcome(kind: type[_E], rule: Callable[[_E], Outcome]) -> None:
    """Have a function decide what an exception of a kind means; for frameworks whose exceptions have no status.

    Args:
        kind: Class of exceptions; the rule of the nearest class counts.
        rule: Returns the outcome of one.
    """
    _rules[kind] = rule


def outcome_of(error: BaseException | None) -> Outcome:
    """Return the outcome of a call that ended with this exception, or without one."""
    if error is None:
        return "success"
    for kind in type(error).__mro__:
        rule = _rules.get(kind)
        if rule is not None:
            return rule(error)
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, SystemExit):
        return "failure" if error.code else "success"
    # The exceptions of Starlette and FastAPI have `status_code`, those of Werkzeug and Flask `code`.
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if type(status) is int and status in _STATUSES:
            return outcome_of_status(status)
    return "failure"


def outcome_of_status(status: int) -> Outcome:
    """Return the outcome of an answer with this status (RFC 9110): 401, 403 and 407 are ``denied``."""
    if status in _DENIED:
        return "denied"
    return "failure" if status >= _FIRST_FAILURE else "success"
