"""Reads the ``TELEMETRY_*`` variables, long and short, and remembers which of them gave a value."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from telemetry.config.archiving.section import ArchiveConfig
from telemetry.config.audit import AuditConfig
from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.config.gateway.serving import GatewayConfig
from telemetry.config.loading.short_variables import (
    PREFIX,
    SHORT_VARIABLES,
    FieldPath,
    ShortVariable,
    long_name,
    value_at,
)
from telemetry.config.outbox import OutboxConfig
from telemetry.exceptions import ConfigurationError, Problem


class Sections(BaseSettings):
    """The fields of a configuration as variables name them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    service_name: str | None = None
    environment: str | None = None
    version: str | None = None
    audit_config: AuditConfig | None = None
    outbox_config: OutboxConfig | None = None
    gateway_config: GatewayConfig | None = None
    explorer_config: ExplorerConfig | None = None
    archive_config: ArchiveConfig | None = None


class Environment:
    """What the environment says; its ``repr`` shows no value.

    An empty short variable counts as one that is not set, as OpenTelemetry specifies for its own variables.

    Attributes:
        values: The fields, nested.
        problems: Variables that cannot be used, and those that contradict each other.

    Raises:
        ValueError: A variable that must be JSON is not.
    """

    def __init__(self) -> None:
        self._names = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)}
        self._short: dict[FieldPath, str] = {}
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {
            name: value for name, value in EnvSettingsSource(Sections)().items() if value != ""
        }
        for variable in SHORT_VARIABLES:
            self._add(variable)

    def variable_of(self, path: FieldPath) -> str | None:
        """Return the name of the variable that gave a field, or the section above it; None if none did."""
        if path in self._short:
            return self._short[path]
        above = (long_name(path[:length]) for length in range(len(path), 0, -1))
        return next((name for name in above if name in self._names), None)

    def _add(self, variable: ShortVariable) -> None:
        value = _value_of(variable.name)
        if not value or not variable.section:  # a name without a section is short and long at once
            return
        try:
            fields = list(variable.fields(value))
        except ConfigurationError as exc:
            self.problems += exc.problems
            return
        for path, filled in fields:
            other = self.variable_of(path)
            given = value_at(self.values, path)
            if other is not None and given is not None and not _are_equal(given, filled):
                reason = f"has one value in {variable.name} and another in {other}"
                self.problems.append(Problem(".".join(path), reason, "unset one of the two variables"))
                continue
            self._short.setdefault(path, variable.name)
            _put(self.values, path, filled)

    def __iter__(self) -> Iterator[str]:
        """Yield the name of each ``TELEMETRY_*`` variable that is set, in capitals."""
        return iter(sorted(self._names))


def _value_of(name: str) -> str | None:
    # Variables are compared without regard to case, as those with long names are.
    return os.environ.get(name) or next((text for key, text in os.environ.items() if key.upper() == name), None)


def _put(values: dict[str, Any], path: FieldPath, value: Any) -> None:
    for name in path[:-1]:
        inner = values.get(name)
        if inner is not None and not isinstance(inner, Mapping):
            return  # a section that is no object: the model refuses it
        values[name] = dict(inner or {})
        values = values[name]
    values[path[-1]] = value


def _are_equal(given: Any, filled: Any) -> bool:
    shown, wanted = str(given), str(filled)
    if isinstance(given, bool):
        shown, wanted = shown.lower(), wanted.lower()
    return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), wanted.encode("utf-8", "surrogateescape"))
