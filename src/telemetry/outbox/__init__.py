"""Writes audit events into a table of the application's own transaction, and relays them to Kafka after the commit.

Each name is loaded on first use: no database driver is imported before it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.outbox.database import OutboxDatabase
    from telemetry.outbox.opening import open_database
    from telemetry.outbox.relay import OutboxRelay
    from telemetry.outbox.relay_counts import RelayCounts
    from telemetry.outbox.rows import Backlog, HeldRow
    from telemetry.outbox.schema import DEFAULT_TABLE, SCHEMA_VERSION, create_table_sql
    from telemetry.outbox.writer import AsyncOutbox, Outbox

__all__ = [
    "DEFAULT_TABLE",
    "SCHEMA_VERSION",
    "AsyncOutbox",
    "Backlog",
    "HeldRow",
    "Outbox",
    "OutboxDatabase",
    "OutboxRelay",
    "RelayCounts",
    "create_table_sql",
    "open_database",
]

_HOMES = {
    "DEFAULT_TABLE": "telemetry.outbox.schema",
    "SCHEMA_VERSION": "telemetry.outbox.schema",
    "AsyncOutbox": "telemetry.outbox.writer",
    "Backlog": "telemetry.outbox.rows",
    "HeldRow": "telemetry.outbox.rows",
    "Outbox": "telemetry.outbox.writer",
    "OutboxDatabase": "telemetry.outbox.database",
    "OutboxRelay": "telemetry.outbox.relay",
    "RelayCounts": "telemetry.outbox.relay_counts",
    "create_table_sql": "telemetry.outbox.schema",
    "open_database": "telemetry.outbox.opening",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
