"""Combines arguments, environment and file into one configuration, and knows where each field comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from telemetry.config.audit import AuditConfig
from telemetry.config.encryption import EncryptionConfig, SigningConfig
from telemetry.config.kafka import KafkaConfig
from telemetry.config.loading.environment import Environment
from telemetry.config.loading.short_variables import FieldPath, value_at
from telemetry.config.loading.stated_file import StatedFile
from telemetry.config.loading.strength import weakened
from telemetry.config.loading.variable_names import nearest, variable_for_absent, warn_of_suspects
from telemetry.config.model import ConfigModel
from telemetry.config.outbox import OutboxConfig
from telemetry.config.storage import StorageConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import is_readable_by_all

logger = logging.getLogger("telemetry.config")

ConfigT = TypeVar("ConfigT", bound=ConfigModel)

_SECRET_FILES = {
    file: secret
    for model in (AuditConfig, EncryptionConfig, KafkaConfig, OutboxConfig, SigningConfig, StorageConfig)
    for file, secret in model.secret_files.items()
} | {"storage_secret_file": "storage_secret", "former_storage_secret_files": "former_storage_secrets"}
_SECRETS = {*_SECRET_FILES.values(), "ssl_key_pem"}


class Origin(NamedTuple):
    """The place that a field's value comes from.

    Attributes:
        kind: ``argument``, ``variable`` or ``file``.
        name: Name of the variable, or path of the file; empty for an argument.
        line: Line in the file, from 1; None if it is not known.
    """

    kind: str
    name: str = ""
    line: int | None = None


class Layers:
    """Arguments over environment over file; the environment weakens no protection that the file states.

    Its ``repr`` shows no value, because a traceback with local variables must show no secret.

    Args:
        path: TOML file; None without one.
        arguments: Fields that win over everything; None is no value.

    Raises:
        ConfigurationError: The file cannot be used.
        ValueError: The file is not TOML, or a variable that must be JSON is not.
    """

    def __init__(self, path: str | Path | None, arguments: Mapping[str, Any]) -> None:
        self._file = StatedFile(None if path is None else Path(path))
        self._environment = Environment()
        self._arguments = {name: value for name, value in arguments.items() if value is not None}
        stated, given = self._file.values, self._environment.values
        self._problems = [*self._environment.problems, *weakened(given, stated, self._environment.variable_of)]
        # Without any field of it, its own model still names what is required.
        self._values = {"audit_config": {}} | _layered(self._arguments, _layered(given, stated))
        self._warn()

    def create(self, model: type[ConfigT]) -> ConfigT:
        """Create the configuration.

        Raises:
            ConfigurationError: With every problem found, those of variables with their names.
        """
        created, problems = self._created(model)
        if problems or created is None:
            raise ConfigurationError(*problems)
        return created

    def origin_of(self, path: FieldPath) -> Origin | None:
        """Return where a field comes from; None if nobody gave it."""
        if value_at(self._arguments, path) is not None:
            return Origin("argument")
        if value_at(self._environment.values, path) is not None:
            return Origin("variable", self._environment.variable_of(path) or "")
        if value_at(self._file.values, path) is None or self._hidden(path):
            return None
        lines = (line for place, line in self._file.lines.items() if place[: len(path)] == path)
        return Origin("file", str(self._file.path), min(lines, default=None))

    def _created(self, model: type[ConfigT]) -> tuple[ConfigT | None, list[Problem]]:
        try:
            return model(**self._values), self._problems
        except ConfigurationError as exc:
            return None, [*self._problems, *map(self._explained, exc.problems)]

    def _explained(self, problem: Problem) -> Problem:
        """Return a problem with the name of the variable that caused it, or that could solve it."""
        path = tuple(problem.field.split("."))
        origin = self.origin_of(path)
        if origin is None:
            short = variable_for_absent(path)
            return replace(problem, remedy=f"{problem.remedy}; as a variable it is {short}") if short else problem
        if origin.kind != "variable":
            return problem
        other = nearest(origin.name) if "extra" in problem.reason else None
        remedy = f"did you mean {other}?" if other else problem.remedy
        return replace(problem, reason=f"{problem.reason} (given by {origin.name})", remedy=remedy)

    def _hidden(self, path: FieldPath) -> bool:
        """Return whether a secret of the file is replaced from above by another one, or by a file with it."""
        return value_at(self._values, path) is None

    def _warn(self) -> None:
        warn_of_suspects(self._environment)
        file = self._file.path
        if file is not None and _has_secret(self._file.values) and is_readable_by_all(file):
            logger.warning(
                "%s has secrets and may be read by every user of this machine; chmod o-r it, or name files with the secrets",
                file,
            )


def read_layers(path: str | Path | None, arguments: Mapping[str, Any]) -> Layers:
    """Read file and environment.

    Args:
        path: TOML file; without it only the environment is read.
        arguments: Fields that win over everything.

    Raises:
        ConfigurationError: One of them cannot be read.
    """
    try:
        return Layers(path, arguments)
    except ConfigurationError:
        raise
    except (ValueError, OSError) as exc:
        text = str(exc).partition("\n")[0] or type(exc).__name__
    raise ConfigurationError(Problem(str(path or "environment"), text, "correct it"))


def _layered(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, the first where both have a value; a secret and the file of the same secret are one value."""
    hidden = {_SECRET_FILES.get(name) for name in above}
    hidden |= {file for file, secret in _SECRET_FILES.items() if secret in above}
    merged = {name: value for name, value in below.items() if name not in hidden}
    for name, value in above.items():
        lower = merged.get(name)
        if isinstance(value, Mapping) and isinstance(lower, Mapping):
            merged[name] = _layered(value, lower)
        else:
            merged[name] = value
    return merged


def _has_secret(values: Mapping[str, Any]) -> bool:
    return any(
        name in _SECRETS or (isinstance(value, Mapping) and _has_secret(value)) for name, value in values.items()
    )
