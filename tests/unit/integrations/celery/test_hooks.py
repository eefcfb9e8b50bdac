"""What Celery calls in a publisher."""

from __future__ import annotations

from typing import Any

from telemetry import audit_context
from telemetry.integrations.celery.hooks import CeleryHooks
from telemetry.integrations.celery.task_header import HEADER, TaskHeader
from telemetry.integrations.celery.task_log import TaskLog


class Unspeakable:
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_user_without_a_text_names_nobody() -> None:
    header = TaskHeader(None)
    hooks = CeleryHooks(header, TaskLog(header, telemetry=None, config=None, default_user="system", wait_for=None))
    headers: dict[str, Any] = {"id": "id"}

    with audit_context(user_id=Unspeakable()):
        hooks._publishing("shop.refund", headers)

    assert header.read(headers[HEADER], task_id="id", task="shop.refund") == {"claimed_by": "celery"}
    assert hooks.failures == 1
