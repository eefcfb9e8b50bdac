"""The events of a worker's tasks: never kept out by a message, never in another task's context."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from telemetry import sync
from telemetry.context import current_audit_context
from telemetry.integrations.celery.task_header import HEADER, TaskHeader
from telemetry.integrations.celery.task_log import TaskLog
from telemetry.testing import CapturedEvents


class Request(dict[str, Any]):
    """The request of a task that a worker runs."""

    is_eager = False
    retries = 0


class Task:
    """A task with its request."""

    name = "shop.refund"

    def __init__(self, user: str) -> None:
        self.request = Request({HEADER: {"v": 1, "fields": {"user_id": user, "tenant_id": user}}})


@pytest.fixture
def log(telemetry: sync.Telemetry) -> TaskLog:
    log = TaskLog(TaskHeader(None), telemetry=telemetry, config=None, default_user="system", wait_for=None)
    log.start()
    return log


def test_odd_header_keeps_no_task_out(log: TaskLog, captured_events: CapturedEvents) -> None:
    header = {"v": 1, "fields": {"user_id": "ada", "actor_type": "root"}}

    log.never_run("REVOKED", name="shop.refund", task_id="1", header=header)

    captured_events.one("celery.task", user_id="system", metadata={"claimed_by": "celery"})


def test_task_delivered_twice_leaks_no_context(log: TaskLog, captured_events: CapturedEvents) -> None:
    both_run = threading.Barrier(2)
    first_ended = threading.Event()

    def work(user: str) -> dict[str, Any]:
        task = Task(user)
        log.begin(task, "1")
        both_run.wait(30)
        if user == "eve":
            first_ended.wait(30)
        log.end(task, "1", state="SUCCESS", result=None)
        first_ended.set()
        return current_audit_context()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ("ada", "eve"))) == [{}, {}]
    assert {event.user_id for event in captured_events.all("celery.task")} == {"ada", "eve"}
