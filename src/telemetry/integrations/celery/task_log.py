"""Logs what became of each task, in the processes of a worker."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from telemetry.context import audit_context, current_audit_context
from telemetry.integrations.celery.task_header import HEADER, TaskHeader
from telemetry.integrations.recorder import Recorder

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.config import TelemetryConfig

EVENT_TYPE = "celery.task"

_OUTCOMES: dict[str, Literal["success", "failure", "denied"]] = {"SUCCESS": "success", "FAILURE": "failure"}
_MAX_RECEIVED = 10_000
_MAX_KILLED = 1_000
_MAX_NAME = 255


class TaskLog:
    """The events of a worker's tasks.

    Args:
        header: Reads who published a task.
        telemetry: What logs; None creates one when a worker starts.
        config: Configuration of the one that is created.
        default_user: User of tasks without a header.
        wait_for: Level that an event must reach before the worker goes on.
    """

    def __init__(
        self,
        header: TaskHeader,
        *,
        telemetry: Telemetry | None,
        config: TelemetryConfig | str | Path | None,
        default_user: str,
        wait_for: Literal["accepted", "durable", "delivered"] | None,
    ) -> None:
        self._header = header
        self._telemetry = telemetry
        self._config = config
        self._default_user = default_user
        self._wait_for = wait_for
        self._recorder: Recorder | None = None
        # By thread and task: a task that is delivered twice may run in two threads at once.
        self._running: dict[tuple[int, str], audit_context] = {}
        # In the process that receives messages: the header of a task whose process may be killed. The oldest are forgotten.
        self._received: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        # Celery reports a process that a time limit ended twice.
        self._killed: deque[str] = deque(maxlen=_MAX_KILLED)

    @property
    def failures(self) -> int:
        """Events that could not be logged."""
        return 0 if self._recorder is None else self._recorder.failures

    def start(self) -> None:
        """Start what logs; raises as ``Telemetry.start()``."""
        recorder = Recorder("celery", telemetry=self._telemetry, config=self._config)
        recorder.start()
        self._recorder = recorder

    def shutdown(self) -> None:
        """Deliver or keep what was logged in this process, and end."""
        if self._recorder is not None:
            self._recorder.shutdown()

    def received(self, request: Any) -> None:
        """Remember who published a task, in case its process does not live to say so."""
        headers = request.message.headers
        if isinstance(headers, Mapping):
            self._received[request.id] = self._context_of(headers.get(HEADER), request.id, request.name)
            if len(self._received) > _MAX_RECEIVED:
                self._received.popitem(last=False)
            if request.id in self._killed:
                self._killed.remove(request.id)  # delivered again: another run

    def begin(self, task: Any, task_id: str) -> None:
        """Enter the context of a task that begins."""
        request = task.request
        if request.is_eager:
            return  # It runs in the context of its caller.
        own = None if self._recorder is None else self._recorder.own_telemetry
        context = audit_context(**self._context_of(request.get(HEADER), task_id, task.name), telemetry=own)
        context.__enter__()
        self._running[get_ident(), task_id] = context

    def end(self, task: Any, task_id: str, *, state: str | None, result: Any) -> None:
        """Log the end of a task, and leave its context."""
        try:
            error = result if isinstance(result, BaseException) else None
            # Without a state the process was told to end; where messages are received, the reason is logged too.
            self._record(task.name, task_id, state=state or "INTERRUPTED", retries=task.request.retries, error=error)
        finally:
            context = self._running.pop((get_ident(), task_id), None)
            if context is not None:
                context.__exit__(None, None, None)

    def killed(self, task: Any, task_id: str, error: BaseException) -> None:
        """Log the end of a task whose process was killed; called where messages are received."""
        if task_id in self._killed:
            return
        self._killed.append(task_id)
        with audit_context(**self._received.pop(task_id, self._unknown())):
            self._record(task.name, task_id, state="KILLED", error=error)

    def never_run(self, state: str, *, name: Any, task_id: Any, header: Any = None) -> None:
        """Log a task that was revoked, rejected or is not known; its message comes from outside."""
        task, id_ = str(name)[:_MAX_NAME], str(task_id)[:_MAX_NAME]
        with audit_context(**self._context_of(header, id_, task)):
            self._record(task, id_, state=state)

    def _record(
        self, name: str, task_id: str, *, state: str, retries: int | None = None, error: BaseException | None = None
    ) -> None:
        if self._recorder is None:
            return  # No worker: a task that was called in the process of its caller.
        payload: dict[str, Any] = {"task": name, "state": state}
        if retries:
            payload["retries"] = retries
        if error is not None:
            payload["error"] = type(error).__name__
        fields: dict[str, Any] = {} if "user_id" in current_audit_context() else self._unknown()
        outcome = _OUTCOMES.get(state, None if state in {"RETRY", "IGNORED"} else "failure")
        if isinstance(error, PermissionError):
            outcome = "denied"
        self._recorder.record(
            EVENT_TYPE, payload, entity="task", entity_id=task_id, outcome=outcome, wait_for=self._wait_for, **fields
        )

    def _context_of(self, header: Any, task_id: str, task: str) -> Mapping[str, Any]:
        said = self._header.read(header, task_id=task_id, task=task)
        return said if "user_id" in said else {**self._unknown(), **said}

    def _unknown(self) -> dict[str, Any]:
        return {"user_id": self._default_user, "actor_type": "system"}
