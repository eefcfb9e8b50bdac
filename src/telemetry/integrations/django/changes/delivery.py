"""Hands an event of a change on: after the commit, or through the outbox within the transaction itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import transaction

from telemetry.context import current_audit_context, in_audit_context
from telemetry.integrations.django.process import process

NOBODY = {"user_id": "system", "actor_type": "system"}
"""Who changes rows where neither a request nor the program says who acts."""


@contextmanager
def one_transaction(using: str) -> Iterator[None]:
    """Have a write and its events in one transaction, where they are delivered through the outbox."""
    if process.settings.delivery == "transactional":
        with transaction.atomic(using=using, savepoint=False):
            yield
    else:
        yield


@contextmanager
def audited() -> Iterator[None]:
    """Keep a failure of the audit away from the application, and count it.

    Not where events are delivered with the transaction: then the change fails with its event.
    """
    if process.settings.delivery == "transactional":
        yield
    else:
        with process.guarded():
            yield


def log_change(event_type: str, payload: dict[str, Any], *, using: str, **fields: Any) -> None:
    """Log an event that is true if the present transaction of a database is committed.

    Args:
        event_type: What happened.
        payload: Its details.
        using: Alias of the database.
        **fields: As to ``log()``.

    Raises:
        TelemetryError: With the outbox alone: the event could not be sealed or written.
    """
    if "user_id" not in current_audit_context():
        fields = NOBODY | fields
    if process.settings.delivery == "transactional":
        _write(event_type, payload, using=using, **fields)
        return
    # Who acts is what it is now: the block that says why may have ended when the transaction is committed.
    record = in_audit_context(partial(process.record, event_type, payload, **fields))
    connection = transaction.get_connection(using)
    if connection.in_atomic_block or connection.get_autocommit():
        transaction.on_commit(record, using=using, robust=True)
    else:
        # Django cannot tell when a program that manages its transactions by hand commits.
        payload["committed"] = "unknown"
        record()


def _write(event_type: str, payload: dict[str, Any], *, using: str, **fields: Any) -> None:
    from telemetry.integrations.django.outbox import DjangoOutbox  # noqa: PLC0415 - only where it is used

    process.start()
    outbox = DjangoOutbox(process.recorder.telemetry, using=using)
    outbox.log(event_type, payload, unfit="repr", scrub=True, **fields)
