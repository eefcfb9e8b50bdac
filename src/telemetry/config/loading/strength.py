"""Orders the fields that protect a trail, so that the environment may make them stricter than the file, and never weaker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from telemetry.config.loading.short_variables import FieldPath, value_at
from telemetry.config.local import LOCAL_BROKERS, is_local, is_off, is_production
from telemetry.exceptions import Problem

_TRUE = frozenset(("true", "1", "on", "yes", "t", "y"))
_FALSE = frozenset(("false", "0", "off", "no", "f", "n"))
_READ_AUDIT = ("off", "attempt", "required")
_MOMENT = TypeAdapter(datetime)
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


def _client_certificates(value: Any) -> int | None:
    return {"optional": 0, "required": 1}.get(str(value))


def _more(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _less(value: Any) -> float | None:
    strength = _more(value)
    return None if strength is None else -strength


def _earlier(value: Any) -> float | None:
    # As the model reads it, which also accepts seconds since the epoch.
    try:
        moment = _MOMENT.validate_python(value)
    except ValidationError:
        return None
    return -(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _is_to_come(value: Any) -> bool:
    strength = _earlier(value)
    return strength is not None and -strength > time.time()


_AUDIT = ("audit_config",)
_ENABLED = (*_AUDIT, "enabled")
_BROKERS = ((*_AUDIT, "kafka_brokers"), (*_AUDIT, "kafka_config", "brokers"))
_ACCEPTED = ("audit_config", "accept_unmarked_until")
_STRENGTHS: Mapping[tuple[str, ...], Callable[[Any], float | None]] = {
    ("audit_config", "read_audit"): _read_audit,
    ("audit_config", "encryption_enabled"): _when_true,
    ("audit_config", "security_protocol"): _protocol,
    ("audit_config", "key_mode"): _key_mode,
    ("audit_config", "hide_event_type"): _when_true,
    ("audit_config", "disclosable"): _when_true,
    ("audit_config", "self_audit"): _when_true,
    ("audit_config", "scrub"): _when_true,
    ("audit_config", "disable_core_dumps"): _when_true,
    ("audit_config", "checkpoint_format"): _more,
    ("audit_config", "fallback_object_format"): _more,
    ("audit_config", "spool_format"): _more,
    _ACCEPTED: _earlier,
    ("audit_config", "encryption_config", "pbkdf2_iterations"): _more,
    ("audit_config", "storage_config", "allow_http"): _when_false,
    ("audit_config", "subject_keys", "lease_seconds"): _less,
    ("audit_config", "subject_keys", "store_key_max_age_days"): _less,
    ("gateway_config", "allow_plain_http"): _when_false,
    ("gateway_config", "client_certificates"): _client_certificates,
    ("gateway_config", "forwarded_certificates"): _when_false,
    ("archive_config", "storage_config", "allow_http"): _when_false,
    ("explorer_config", "allow_plain_http"): _when_false,
    ("explorer_config", "session_idle_seconds"): _less,
    ("explorer_config", "session_seconds"): _less,
}
"""A larger number is stricter; None is a value that the model refuses."""
_LESS = (
    ("audit_config", "clear_fields"),
    ("audit_config", "scrub_spared_keys"),
    ("gateway_config", "trusted_proxies"),
    ("explorer_config", "public_urls"),
    ("explorer_config", "trusted_proxies"),
    ("explorer_config", "proxy", "peers"),
    ("explorer_config", "oidc", "algorithms"),
)
"""Lists of which the environment may leave something out, and add nothing."""
_ENCRYPTION, _SIGNING = ("audit_config", "encryption_config"), ("audit_config", "signing_config")
_KEY_FIELDS = (
    *("provider", "kms_key_id", "aws_region", "aws_profile", "vault_url", "key_name", "key_version"),
    *("project_id", "location", "key_ring", "gcp_key_name", "key_path", "public_key", "endpoint_url", "ca_path"),
)
"""What says which key wraps, and where its service is: with another one, others could open the trail."""
_OIDC, _PROXY = ("explorer_config", "oidc"), ("explorer_config", "proxy")
_GRANTS = tuple(f"{right}_{kind}" for right in ("sealed", "reader", "exporter") for kind in ("groups", "subjects"))
_FIXED = (
    ("audit_config", "event_policies"),
    ("audit_config", "scrub_keys"),
    ("audit_config", "trust_file"),
    ("audit_config", "storage_secret"),
    ("audit_config", "storage_secret_file"),
    ("audit_config", "subject_keys", "store"),
    ("audit_config", "subject_keys", "store_file"),
    (*_SIGNING, "key_path"),
    ("gateway_config", "identities"),
    ("gateway_config", "client_ca"),
    *((*_ENCRYPTION, name) for name in _KEY_FIELDS),
    ("explorer_config", "evidence_signing", "key_path"),
    ("archive_config", "signing_config", "key_path"),
)
"""Fields of which no other value is stricter."""
_STATED = (_SIGNING, ("audit_config", "subject_keys"))
"""Sections without which the trail would lack what the file has it protected by."""
_SECRETS = (("audit_config", "storage_secret"), ("audit_config", "storage_secret_file"), _SIGNING)
_WITH_THE_KEY: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    (*_ENCRYPTION, "recipients"): (_ENCRYPTION,),
    (*_ENCRYPTION, "previous_keys"): (_ENCRYPTION,),
    ("audit_config", "fallback_sibling_keys"): (_SIGNING,),
    ("archive_config", "former_keys"): (("archive_config", "signing_config"),),
    ("audit_config", "former_storage_secrets"): _SECRETS,
    ("audit_config", "former_storage_secret_files"): _SECRETS,
}
"""Further keys: each opens the trail, or is believed by readers or a replay. They are in the file if the key is."""
_WITH_THE_SIGN_IN: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = {
    **{(*section, "grants", name): (section,) for section in (_OIDC, _PROXY) for name in _GRANTS},
    **{(*_OIDC, name): (_OIDC,) for name in ("issuer", "client_id", "subject_claim", "groups_claim", "ca_path")},
    **{(*_PROXY, name): (_PROXY,) for name in ("user_header", "groups_header", "groups_separator")},
}
"""Who may read in the explorer, and what is believed about persons. It is in the file if the file says how they sign in."""


def weakened(
    environment: Mapping[str, Any], file: Mapping[str, Any], variable_of: Callable[[FieldPath], str | None]
) -> Iterator[Problem]:
    """Yield a problem for each protection that the file states and the environment would weaken.

    The file belongs to those who answer for the trail, the environment often to those who read it.

    Args:
        environment: What the environment says, nested.
        file: What the file says, nested.
        variable_of: Returns the name of the variable that gave a field.
    """
    for path, reason in _weakened(environment, file):
        yield Problem(".".join(path), reason.format(variable_of(path)), "unset the variable, or change the file")


def _weakened(environment: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    for path, strength in _STRENGTHS.items():
        before, after = strength(value_at(file, path)), strength(value_at(environment, path))
        if before is not None and after is not None and after < before:
            yield path, "is made weaker by {} than the configuration file states"
    if file and value_at(file, _ACCEPTED) is None and _is_to_come(value_at(environment, _ACCEPTED)):
        # The default is 30 days after the first start, which is known there alone.
        yield _ACCEPTED, "is given by {}, and the configuration file states none"
    yield from _kept_here(environment, file)
    for path in _LESS:
        stated, wanted = value_at(file, path), value_at(environment, path)
        if isinstance(stated, list) and isinstance(wanted, list) and any(item not in stated for item in wanted):
            yield path, "is made weaker by {} than the configuration file states"
    for path in _FIXED:
        stated, wanted = value_at(file, path), value_at(environment, path)
        if None not in (stated, wanted) and str(stated) != str(wanted):
            yield path, "is another one in {} than in the configuration file"
    yield from _left_out(environment, file)
    yield from _added(environment, file, _WITH_THE_KEY, "names the key")
    yield from _added(environment, file, _WITH_THE_SIGN_IN, "says how persons sign in")


def _kept_here(environment: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Yield a reason for each variable by which events would not be sent, although the file sends them."""
    named = any(value_at(file, path) for path in _BROKERS) and not is_local(value_at(file, _AUDIT))
    if (
        not named
        and not is_production(str(value_at(file, ("environment",)) or ""))
        and value_at(file, _ENABLED) is None
    ):
        return
    if is_off(value_at(environment, _ENABLED)) and not is_off(value_at(file, _ENABLED)):
        yield _ENABLED, "is switched off by {}, and the configuration file sends events"
    for path in _BROKERS:
        wanted = str(value_at(environment, path) or "").strip()
        if wanted in LOCAL_BROKERS and wanted != value_at(file, path):
            yield path, "is made local by {}, and the configuration file sends events"


def _left_out(environment: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    """Yield a reason for each variable that says ``null`` where the file has a section."""
    for path in _STATED:
        *above, name = path
        section = value_at(environment, tuple(above))
        if isinstance(section, Mapping) and section.get(name, path) is None and value_at(file, path) is not None:
            yield path, "is left out by {}, and the configuration file has it"


def _added(
    environment: Mapping[str, Any],
    file: Mapping[str, Any],
    belonging: Mapping[FieldPath, tuple[FieldPath, ...]],
    what_it_says: str,
) -> Iterator[tuple[FieldPath, str]]:
    for path, sections in belonging.items():
        wanted = value_at(environment, path)
        if wanted and wanted != value_at(file, path) and any(value_at(file, section) for section in sections):
            yield path, f"is given by {{}}, and the configuration file {what_it_says}"
