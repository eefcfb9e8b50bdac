"""Connects a Celery application: one import, or one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import celery

from telemetry.integrations.celery.hooks import CeleryHooks
from telemetry.integrations.celery.task_header import TaskHeader
from telemetry.integrations.celery.task_log import TaskLog

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig


def audit_celery(
    *,
    telemetry: Telemetry | None = None,
    config: TelemetryConfig | str | Path | None = None,
    secret: str | bytes | None = None,
    secret_file: str | Path | None = None,
    default_user: str = "system",
    wait_for: Literal["accepted", "durable", "delivered"] | None = None,
) -> CeleryHooks:
    """Carry the audit context into the Celery tasks of this process, and log each run of one.

    Who publishes a task sends user, actor, tenant and correlation id along in a header; retries, chains, groups and chords pass it on.
    In a worker the task runs in that context, and its end is an event ``celery.task``. A worker starts what logs before it
    takes a task, and does not start if that cannot work. Celery's signals belong to the process, not to an application: the
    last call counts.

    Args:
        telemetry: What logs in a worker; None creates one there.
        config: Configuration of the one that is created: an object, a TOML file, or None for ``TELEMETRY_*`` variables.
        secret: Signs the header (HMAC-SHA256), at least 32 bytes, the same for publishers and workers. Without one, anyone
            who may publish can name any user: events then say ``claimed_by`` in their metadata.
        secret_file: File with the secret instead.
        default_user: User of tasks that nobody is known to have published, such as those of ``celery beat``.
        wait_for: Level that the event must reach before the worker goes on.

    Returns:
        The hooks; ``hooks.failures`` counts events that could not be logged.

    Raises:
        ConfigurationError: The secret is too short, or its file cannot be read or believed.
    """
    header = TaskHeader.of(secret=secret, secret_file=secret_file)
    log = TaskLog(header, telemetry=telemetry, config=config, default_user=default_user, wait_for=wait_for)
    hooks = CeleryHooks(header, log)
    hooks.connect()
    return hooks


class Celery(celery.Celery):  # type: ignore[misc]  # the library has no types
    """``celery.Celery`` whose tasks are audited.

    Args:
        *args: As of ``celery.Celery``.
        audit: Arguments of :func:`audit_celery` by name.
        **kwargs: As of ``celery.Celery``.
    """

    def __init__(self, *args: Any, audit: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        audit_celery(**(audit or {}))
