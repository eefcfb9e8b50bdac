"""Defines the base of every configuration class: frozen, strict, never pickled, and one error for all problems."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry.config.secret_files import SecretFiles, with_secrets
from telemetry.exceptions import ConfigurationError, Problem

_REMEDIES = {
    "missing": "set it; it has no default",
    "extra_forbidden": "remove it, or correct its spelling",
}


class ConfigModel(BaseModel):
    """A frozen model that refuses unknown fields and raises one ``ConfigurationError`` with every problem.

    It cannot be pickled, because a pickle has its secrets in the clear; ``copy`` works.

    Attributes:
        secret_files: Fields that name files with secrets, and the fields that these fill.
    """

    # The validator of a class is built when the class is first used: a program uses few of them, and some none.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    secret_files: ClassVar[SecretFiles] = {}

    def __init__(self, **values: Any) -> None:
        # Pydantic calls this for nested models too, so that every secret is read in one place.
        filled, problems = with_secrets(values, self.secret_files)
        try:
            super().__init__(**filled)
        except ValidationError as exc:
            # What is absent only because its file cannot be used is not reported twice.
            unread = {self.secret_files[problem.field] for problem in problems}
            others = [problem for problem in problems_of(exc) if problem.field not in unread]
            raise ConfigurationError(*problems, *others) from None
        if problems:
            raise ConfigurationError(*problems)

    def handed_over(self) -> dict[str, Any]:
        """Return the values from which a process of our own creates the same configuration; only for a private socket.

        Secrets are in it as ``SecretStr``, and are not read from their files again.
        """
        read: dict[str, Any] = _without(self.model_dump(), self.secret_files)
        return read

    def __reduce__(self) -> NoReturn:
        message = (
            f"{type(self).__name__} cannot be pickled, because it has secrets; "
            "give the other process the path of the configuration file, or its environment"
        )
        raise TypeError(message)


def _without(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return tuple(_without(inner, names) for inner in value) if isinstance(value, list | tuple) else value


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
