"""Celery with a real worker: who published a task is who its events name."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.celery_site import EXAMPLES, CelerySite
from tests.support.until import until

EXAMPLE = (EXAMPLES / "tasks.py").read_text("utf-8")
MORE = """

@app.task(name="shop.sleep", time_limit=1)
def sleep_long() -> None:
    import time
    time.sleep(600)

@app.task(name="shop.die", acks_late=False)
def die() -> None:
    import os
    os._exit(7)

@app.task(name="shop.nested")
def nested() -> None:
    from telemetry.current import current_telemetry
    current_telemetry().audit.log("mail.sent", {})
    reserve.delay(5)

@app.task(name="shop.total")
def total(parts: list[int]) -> int:
    return sum(parts)
"""
SECRET = "s" * 32


@pytest.fixture
def site(tmp_path: Path) -> Iterator[CelerySite]:
    with EmbeddedKafka() as broker, CelerySite(broker, tmp_path, example=EXAMPLE + MORE) as made:
        yield made


def test_example_adds_one_line() -> None:
    plain = (EXAMPLES / "tasks_plain.py").read_text("utf-8").splitlines()
    added = [line for line in difflib.ndiff(plain, EXAMPLE.splitlines()) if line.startswith("+ ")]

    assert added == ["+ from telemetry.integrations.celery import Celery"]


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_chain_with_a_retry_names_its_publisher(site: CelerySite, pool: str) -> None:
    worker = site.worker("-P", pool)
    site.publish(
        "with audit_context(user_id='ada', correlation_id='request-1', ip_address='192.0.2.1'):\n    tasks.place(7)"
    )
    events = site.wait_for(4)
    assert site.stop(worker) == 0

    found = {(event.payload["task"], event.payload["state"], event.outcome) for event in events}
    assert found == {
        ("shop.reserve", "SUCCESS", "success"),
        ("shop.charge", "RETRY", None),
        ("shop.charge", "SUCCESS", "success"),
        ("shop.notify", "SUCCESS", "success"),
    }
    assert {event.event_type for event in events} == {"celery.task"}
    assert {(event.user_id, event.correlation_id, event.ip_address) for event in events} == {("ada", "request-1", None)}
    assert {(event.metadata or {}).get("claimed_by") for event in events} == {"celery"}
    retried = [event.payload for event in events if event.payload.get("retries")]
    assert retried == [{"task": "shop.charge", "state": "SUCCESS", "retries": 1}]


def test_group_chord_and_own_events_share_the_actor(site: CelerySite) -> None:
    site.worker()
    site.publish(
        "import celery\n"
        "with audit_context(user_id='ada'):\n"
        "    celery.chord([tasks.reserve.s(n) for n in (1, 2)])(tasks.total.s())\n"
        "with audit_context(user_id='eve'):\n"
        "    tasks.nested.delay()"
    )
    until(lambda: len([e for e in site.events() if e.payload.get("task") != "celery.chord_unlock"]) >= 6)

    own = [event for event in site.events() if event.payload.get("task") != "celery.chord_unlock"]
    users = sorted((event.user_id, event.payload.get("task", event.event_type)) for event in own)
    assert users == [
        *(("ada", "shop.reserve"), ("ada", "shop.reserve"), ("ada", "shop.total")),
        *(("eve", "mail.sent"), ("eve", "shop.nested"), ("eve", "shop.reserve")),
    ]


def test_denied_killed_and_unknown_tasks_are_events(tmp_path: Path) -> None:
    # Without a spool, a process that dies takes along what was only accepted.
    durable = EXAMPLE.replace('Celery("shop",', 'Celery("shop", audit={"wait_for": "durable"},')
    with EmbeddedKafka() as broker, CelerySite(broker, tmp_path, example=durable + MORE) as site:
        site.worker()
        _run_odd_tasks(site)


def _run_odd_tasks(site: CelerySite) -> None:
    site.publish(
        "with audit_context(user_id='ada'):\n"
        "    tasks.reserve.delay(-1)\n"
        "    tasks.sleep_long.delay()\n"
        "    tasks.die.delay()\n"
        "    tasks.app.send_task('shop.nowhere')\n"
        "    tasks.reserve.apply_async((1,), expires=-1)\n"
        "tasks.reserve.delay(2)"
    )
    events = site.wait_for(7)

    found = {(e.payload["task"], e.payload["state"], e.outcome, e.payload.get("error"), e.user_id) for e in events}
    assert found == {
        ("shop.reserve", "FAILURE", "denied", "PermissionError", "ada"),
        ("shop.sleep", "KILLED", "failure", "TimeLimitExceeded", "ada"),
        ("shop.sleep", "INTERRUPTED", "failure", None, "ada"),
        ("shop.die", "KILLED", "failure", "WorkerLostError", "ada"),
        ("shop.nowhere", "UNKNOWN", "failure", None, "ada"),
        ("shop.reserve", "REVOKED", "failure", None, "ada"),
        ("shop.reserve", "SUCCESS", "success", None, "system"),
    }


def test_forged_publisher_is_not_believed(tmp_path: Path) -> None:
    signed = EXAMPLE.replace('Celery("shop",', f'Celery("shop", audit={{"secret": "{SECRET}"}},')
    with EmbeddedKafka() as broker, CelerySite(broker, tmp_path, example=signed) as site:
        site.worker()
        site.publish("with audit_context(user_id='ada'):\n    tasks.reserve.delay(1)")
        site.publish("tasks.reserve.delay(2)")
        site.publish(
            "from celery import signals\n"
            "def forge(headers, **_):\n"
            "    headers['telemetry_audit'] = {'v': 1, 'fields': {'user_id': 'root'}, 'mac': '0' * 64}\n"
            "signals.before_task_publish.connect(forge, weak=False)\n"
            "tasks.reserve.delay(3)"
        )
        events = site.wait_for(3)

    found = sorted((event.user_id, (event.metadata or {}).get("claimed_by") or "") for event in events)
    assert found == [("ada", ""), ("system", ""), ("system", "celery")]


def test_worker_without_a_trail_does_not_start(site: CelerySite) -> None:
    site.environment["TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS"] = "127.0.0.1:9"
    site.environment["TELEMETRY_AUDIT_CONFIG__KAFKA_TIMEOUT_MS"] = "500"

    worker = site.worker()

    assert worker.wait(60) not in (0, -signal.SIGTERM)
    assert "could not be audited" in site.log.read_text()
