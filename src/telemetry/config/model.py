"""Defines the base of every configuration class: frozen, strict, and one error for all problems."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry.exceptions import ConfigurationError, Problem

_REMEDIES = {
    "missing": "set it; it has no default",
    "extra_forbidden": "remove it, or correct its spelling",
}


class ConfigModel(BaseModel):
    """A frozen model that refuses unknown fields and raises one ``ConfigurationError`` with every problem."""

    # The validator of a class is built when the class is first used: a program uses few of them, and some none.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as exc:
            raise ConfigurationError(*problems_of(exc)) from None


def problems_of(error: ValidationError) -> list[Problem]:
    """Flatten a pydantic error, and the errors of nested models inside it, into problems without values."""
    problems: list[Problem] = []
    for item in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in item["loc"])
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, ConfigurationError):
            problems += [_below(field, problem) for problem in cause.problems]
        elif isinstance(cause, ValueError):
            problems.append(Problem(field, str(cause)))
        else:
            problems.append(Problem(field, item["msg"].lower(), _REMEDIES.get(item["type"], "")))
    return problems


def _below(field: str, problem: Problem) -> Problem:
    path = ".".join(part for part in (field, problem.field) if part)
    return Problem(path, problem.reason, problem.remedy)
