"""Combines both ends of an outbox: what seals rows in an application, and what reads them in a relay."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.outbox.row_reader import RowReader
from telemetry.audit.accept.outbox.row_sealer import ClearRowSealer, KeyedRowSealer, NoRowSealer, RowSealer
from telemetry.audit.accept.subject.sealing import Subjects
from telemetry.config import AuditConfig


class Outbox(NamedTuple):
    """Both ends of an outbox.

    Attributes:
        sealer: Seals rows.
        reader: Reads them.
    """

    sealer: RowSealer
    reader: RowReader


def outbox_of(config: AuditConfig, *, source: str, keys: KeySupply | None, subjects: Subjects | None = None) -> Outbox:
    """Return the outbox of a process.

    Args:
        config: The configuration.
        source: CloudEvents source of its events.
        keys: Its data keys; None where it encrypts nothing.
        subjects: The keys of its subjects; None where they have none.
    """
    reader = RowReader(source=source, sealed=config.encryption_enabled, max_event_bytes=config.max_event_bytes)
    return Outbox(_sealer(config, source=source, keys=keys, subjects=subjects), reader)


def clear_outbox(config: AuditConfig, *, source: str) -> Outbox:
    """Return the outbox of a process that sends nothing: its rows are in the clear."""
    reader = RowReader(source=source, sealed=False, max_event_bytes=config.max_event_bytes)
    return Outbox(ClearRowSealer(source=source), reader)


def _sealer(config: AuditConfig, *, source: str, keys: KeySupply | None, subjects: Subjects | None) -> RowSealer:
    if config.relay_only:
        return NoRowSealer()
    if keys is None:
        return ClearRowSealer(source=source)
    patience = config.data_key_wait_ms / 1_000
    if subjects is None:
        return KeyedRowSealer(keys.row_keyring, source=source, patience=patience)
    # A service whose subjects have no keys does not load this.
    from telemetry.audit.accept.subject.row_sealer import SubjectRowSealer  # noqa: PLC0415

    return SubjectRowSealer(keys.row_keyring, source=source, patience=patience, subjects=subjects)
