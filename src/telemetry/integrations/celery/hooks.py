"""Connects the signals of Celery: messages get a header, a worker starts and ends what logs, each task is logged."""

from __future__ import annotations

import logging
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import signals

from telemetry.context import context_values
from telemetry.exceptions import TelemetryError
from telemetry.hook_failures import HookFailures
from telemetry.integrations.celery.task_header import HEADER, TaskHeader
from telemetry.integrations.celery.task_log import TaskLog

logger = logging.getLogger("telemetry.celery")

_KILLED = (Terminated, TimeLimitExceeded, WorkerLostError)
_UID = "telemetry"


class CeleryHooks:
    """What is called by Celery in publishers and workers.

    Args:
        header: Writes who published a task.
        log: Logs the tasks.
    """

    def __init__(self, header: TaskHeader, log: TaskLog) -> None:
        self._header = header
        self._log = log
        self._failures = HookFailures("celery_publish")

    @property
    def failures(self) -> int:
        """Events that could not be logged in this process."""
        return self._log.failures + self._failures.count

    def connect(self) -> None:
        """Connect the signals of this process, in the place of those of an earlier application."""
        for signal, receiver in (
            (signals.before_task_publish, self._publishing),
            (signals.worker_init, self._worker_starts),
            (signals.worker_process_shutdown, self._worker_ends),
            (signals.worker_shutdown, self._worker_ends),
            (signals.task_received, self._received),
            (signals.task_prerun, self._begins),
            (signals.task_postrun, self._ended),
            (signals.task_failure, self._failed),
            (signals.task_revoked, self._revoked),
            (signals.task_rejected, self._rejected),
            (signals.task_unknown, self._unknown),
        ):
            signal.disconnect(dispatch_uid=_UID)
            signal.connect(receiver, weak=False, dispatch_uid=_UID)

    def _publishing(self, sender: str, headers: dict[str, Any], **_: Any) -> None:
        context = context_values()
        if not (context or self._header.is_signed) or "id" not in headers:
            return
        try:
            headers[HEADER] = self._header.written(context, task_id=str(headers["id"]), task=sender)
        except Exception as exc:  # noqa: BLE001 - text of the application's own user object; counted and logged
            headers[HEADER] = {}  # says that somebody published it, and nothing of whom
            self._failures.add(exc)

    def _worker_starts(self, **_: Any) -> None:
        try:
            self._log.start()
        except TelemetryError as exc:
            # Celery logs what a receiver raises and goes on; a worker whose tasks leave no trail must not begin.
            logger.critical("the worker does not start, because its tasks could not be audited: %s", exc)
            raise SystemExit(exc.exit_code) from exc

    def _worker_ends(self, **_: Any) -> None:
        self._log.shutdown()

    def _received(self, request: Any, **_: Any) -> None:
        self._log.received(request)

    def _begins(self, task_id: str, task: Any, **_: Any) -> None:
        self._log.begin(task, task_id)

    def _ended(self, task_id: str, task: Any, retval: Any = None, state: str | None = None, **_: Any) -> None:
        self._log.end(task, task_id, state=state, result=retval)

    def _failed(self, sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        # Any other failure is logged where the task ran, when it has ended.
        if isinstance(exception, _KILLED):
            self._log.killed(sender, task_id, exception)

    def _revoked(self, sender: Any, request: Any, **_: Any) -> None:
        header = request.get(HEADER) if hasattr(request, "get") else None
        self._log.never_run("REVOKED", name=sender.name, task_id=request.id, header=header)

    def _rejected(self, message: Any, **_: Any) -> None:
        self._log.never_run("REJECTED", **_said_by(message))

    def _unknown(self, message: Any, **_: Any) -> None:
        self._log.never_run("UNKNOWN", **_said_by(message))


def _said_by(message: Any) -> dict[str, Any]:
    headers = message.headers if isinstance(message.headers, dict) else {}
    return {"name": headers.get("task"), "task_id": headers.get("id"), "header": headers.get(HEADER)}
