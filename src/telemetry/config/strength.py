"""Orders the fields that protect a trail, so that the environment may make them stricter than the file, and never weaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from telemetry.exceptions import Problem

_TRUE = frozenset(("true", "1", "on", "yes", "t", "y"))
_FALSE = frozenset(("false", "0", "off", "no", "f", "n"))
_READ_AUDIT = ("off", "attempt", "required")
_PROTOCOLS = {"PLAINTEXT": 0, "SASL_PLAINTEXT": 0, "SSL": 1, "SASL_SSL": 1}


def _when_true(value: Any) -> int | None:
    text = str(value).lower()
    return 1 if text in _TRUE else 0 if text in _FALSE else None


def _when_false(value: Any) -> int | None:
    strength = _when_true(value)
    return None if strength is None else 1 - strength


def _read_audit(value: Any) -> int | None:
    return _READ_AUDIT.index(value) if value in _READ_AUDIT else None


def _protocol(value: Any) -> int | None:
    return _PROTOCOLS.get(str(value))


def _key_mode(value: Any) -> int | None:
    return {"clear": 0, "hmac": 1}.get(str(value))


def _fewer(value: Any) -> int | None:
    return -len(value) if isinstance(value, list | tuple) else None


def _more(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_STRENGTHS: Mapping[tuple[str, ...], Callable[[Any], float | None]] = {
    ("audit_config", "read_audit"): _read_audit,
    ("audit_config", "encryption_enabled"): _when_true,
    ("audit_config", "security_protocol"): _protocol,
    ("audit_config", "key_mode"): _key_mode,
    ("audit_config", "clear_fields"): _fewer,
    ("audit_config", "hide_event_type"): _when_true,
    ("audit_config", "self_audit"): _when_true,
    ("audit_config", "disable_core_dumps"): _when_true,
    ("audit_config", "encryption_config", "pbkdf2_iterations"): _more,
    ("audit_config", "storage_config", "allow_http"): _when_false,
}
"""A larger number is stricter; None is a value that the model refuses."""
_FIXED = (("audit_config", "trust_file"),)
"""Fields of which no other value is stricter."""


def weakened(environment: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each protection that the file states and the environment would weaken.

    The file belongs to those who answer for the trail, the environment often to those who read it.
    """
    for path, strength in _STRENGTHS.items():
        stated, wanted = _at(file, path), _at(environment, path)
        if stated is None or wanted is None:
            continue
        before, after = strength(stated), strength(wanted)
        if before is not None and after is not None and after < before:
            variable = "TELEMETRY_" + "__".join(path).upper()
            reason = f"is made weaker by {variable} than the configuration file states"
            yield Problem(".".join(path), reason, "unset the variable, or change the file")
    for path in _FIXED:
        stated, wanted = _at(file, path), _at(environment, path)
        if None not in (stated, wanted) and str(stated) != str(wanted):
            variable = "TELEMETRY_" + "__".join(path).upper()
            reason = f"is another one in {variable} than in the configuration file"
            yield Problem(".".join(path), reason, "unset the variable, or change the file")


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(values, Mapping):
            return None
        values = values.get(name)
    return values
