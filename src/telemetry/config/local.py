"""Defines the configurations that send nothing: events stay in memory, are printed, or are dropped. None is for production."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from telemetry.exceptions import Problem

LocalMode = Literal["memory", "console", "off"]

_MODES: Mapping[str, LocalMode] = {"memory:": "memory", "console:": "console"}
LOCAL_BROKERS = frozenset(_MODES)
"""Values of ``kafka_brokers`` that name no broker."""

_OFF = frozenset(("false", "0", "off", "no", "f", "n"))
_ON = frozenset(("true", "1", "on", "yes", "t", "y"))
_PRODUCTION = frozenset(("production", "prod", "prd", "live"))
_NEGATIONS = frozenset(("non", "not", "no", "pre"))
_WORD = re.compile(r"[a-z]+")


def is_off(value: Any) -> bool:
    """Return whether a value that is not validated yet means false."""
    return str(value).lower() in _OFF


def is_on(value: Any) -> bool:
    """Return whether a value that is not validated yet means true."""
    return str(value).lower() in _ON


def is_local(values: Any) -> bool:
    """Return whether the values of an ``AuditConfig``, validated or not, send nothing.

    Args:
        values: A mapping from field to value.
    """
    if not isinstance(values, Mapping):
        return False
    return is_off(values.get("enabled", True)) or str(values.get("kafka_brokers") or "").strip() in LOCAL_BROKERS


def mode_of(*, brokers: str, enabled: bool) -> LocalMode | None:
    """Return what happens to the events of a configuration that sends nothing; None for one that names brokers."""
    return _MODES.get(brokers) if enabled else "off"


def is_production(environment: str) -> bool:
    """Return whether a name means production: ``production``, ``Prod``, ``prod-eu``, but not ``non-prod``."""
    words = _WORD.findall(environment.lower())
    pairs = zip(["", *words], words, strict=False)
    return any(word in _PRODUCTION and before not in _NEGATIONS for before, word in pairs)


def local_problem(mode: LocalMode | None, environment: str) -> Problem | None:
    """Return why these events may not stay here; None where they are sent, or where nothing is lost with them.

    Args:
        mode: From :func:`mode_of`.
        environment: Deployment environment.
    """
    if mode is None or not is_production(environment):
        return None
    remedy = 'name the brokers; on a laptop write TelemetryConfig(environment="development", audit_config=...)'
    if mode == "off":
        return Problem(
            "audit_config.enabled", f"is false, and environment is {environment!r}: no event is kept", remedy
        )
    reason = f"is {mode}:, and environment is {environment!r}: events are not sent"
    return Problem("audit_config.kafka_brokers", reason, remedy)
