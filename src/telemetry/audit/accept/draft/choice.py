"""Chooses the factory of events for a configuration and a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.scrubbing import Scrubbing
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.format.value.features import DISCLOSABLE, HIDDEN_TYPE, SUBJECT

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog


_FEW_USERS = 256
"""Users that one of many factories remembers."""


def factory_of(
    config: TelemetryConfig,
    catalog: AuditCatalog | None = None,
    *,
    is_one_of_many: bool = False,
    is_sealed: bool = True,
) -> EventFactory:
    """Return the factory of a configuration.

    Args:
        config: The configuration.
        catalog: The declared types, if there is a catalogue.
        is_one_of_many: Whether there is a factory for each of many services, so that each should take little memory.
        is_sealed: Whether the events are sealed, where the configuration says so; those in the clear commit to nothing.
    """
    audit = config.audit_config
    secret = audit.key_hmac_secret.get_secret_value().encode() if audit.key_hmac_secret else None
    values: dict[str, Any] = {
        "service_name": config.service_name,
        "environment": config.environment,
        "version": config.version,
        "max_event_bytes": audit.max_event_bytes,
        "hmac_secret": secret if audit.key_mode == "hmac" else None,
        "clear_fields": audit.clear_fields,
        "features": _features_of(audit, is_sealed=is_sealed),
        "scrubbing": Scrubbing(by_default=audit.scrub, keys=audit.scrub_keys, spared=audit.scrub_spared_keys),
    }
    if is_one_of_many:
        values["remembered_users"] = _FEW_USERS
    if catalog is None:
        return EventFactory(**values)
    # The classes of payloads are msgspec's or pydantic's: a service without a catalogue does not load this.
    from telemetry.audit.accept.draft.declared_events import DeclaredEvents  # noqa: PLC0415

    return DeclaredEvents(catalog, personal_secret=secret, **values)


def _features_of(audit: AuditConfig, *, is_sealed: bool) -> frozenset[str]:
    """Return the features that every event uses."""
    uses = {
        HIDDEN_TYPE: audit.hide_event_type,
        DISCLOSABLE: audit.disclosable and is_sealed,
        SUBJECT: audit.subject_keys is not None and is_sealed,
    }
    return frozenset(feature for feature, is_used in uses.items() if is_used)
