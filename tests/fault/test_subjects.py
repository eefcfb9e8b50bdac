"""Subjects are forgotten while processes are stopped, forked, and log for many services: no event becomes unreadable."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from telemetry import Telemetry as AsyncTelemetry
from telemetry.context import audit_context
from telemetry.sync import Telemetry
from telemetry.system.clock import rfc3339
from tests.services.kafka import KafkaBroker
from tests.services.postgres import PostgresServer
from tests.support.forgotten_site import ForgottenSite, log
from tests.support.subject_stores import SubjectSite
from tests.support.until import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ADA, BOB = "ada-canary-1815", "bob-canary-1900"
# Logs for two people without a pause, so that it is stopped anywhere; a line on standard input ends it.
_BUSY = """
import json, sys, threading
from telemetry.config import TelemetryConfig
from telemetry.sync import Telemetry
audit, users = json.loads(sys.stdin.readline())
telemetry = Telemetry(TelemetryConfig(service_name="shop", environment="production", audit_config=audit))
telemetry.start()
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
number = 0
while not ended.is_set():
    for user in users:
        receipt = telemetry.audit.log("busy", {"n": number}, user)
    number += 1
    if number % 50 == 0:
        receipt.wait()
        ended.wait(0.05)
    if number == 100:
        print("logging", flush=True)
report = telemetry.shutdown(60)
print(json.dumps([number, report.delivered, report.failed]), flush=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, kafka: KafkaBroker, topic: str, tmp_path: Path) -> ForgottenSite:
    if request.param == "sqlite":
        subjects = SubjectSite.in_sqlite(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        subjects = SubjectSite.in_postgres(server)
    return ForgottenSite(kafka.bootstrap("PLAINTEXT"), topic, tmp_path, subjects=subjects)


@pytest.fixture
def sqlite_site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ForgottenSite:
    return ForgottenSite(kafka.bootstrap("PLAINTEXT"), topic, tmp_path, subjects=SubjectSite.in_sqlite(tmp_path))


def forgotten(events: dict[str, dict[str, Any]]) -> set[str]:
    return {event_id for event_id, event in events.items() if event.get("subject", {}).get("forgotten")}


def test_stopped_in_the_middle_of_logging(site: ForgottenSite) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps([site.audit(), [ADA, BOB]]) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logging\n"
        os.kill(process.pid, signal.SIGSTOP)
        # Ends when the lease of the stopped process has.
        site.forget(ADA)
        resumed = rfc3339(datetime.now(UTC), timespec="microseconds")
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: any(event["time"] > resumed and event["user_id"] == ADA for event in site.events().values()))
        out, _ = process.communicate("end\n", timeout=120)
    finally:
        process.kill()
        process.wait(60)
    number, delivered, failed = json.loads(out)

    events = {event_id: event for event_id, event in site.events().items() if event["event_type"] == "busy"}
    assert (len(events), failed) == (2 * number, 0)
    assert delivered >= 2 * number
    gone = forgotten(events)
    assert gone
    assert not [event for event_id, event in events.items() if event_id in gone and event["time"] > resumed]
    # What is left says who: nothing of the other person is gone, and each event of hers is there or forgotten.
    assert sum(event["user_id"] == BOB for event in events.values()) == number
    assert sum(event["user_id"] == ADA for event in events.values()) == number - len(gone)
    order = [event["payload"]["n"] for event in sorted(events.values(), key=_place) if event["user_id"] == ADA]
    assert order == sorted(order)


def _place(event: dict[str, Any]) -> int:
    return int(event["sequence"])


def test_two_processes_log_for_a_new_person_at_once(site: ForgottenSite) -> None:
    first, second = Telemetry(site.config()), Telemetry(site.config())
    with first, second:
        barrier = threading.Barrier(2)

        def work(telemetry: Telemetry) -> None:
            barrier.wait(60)
            for number in range(20):
                telemetry.audit.log("race", {"n": number}, f"new-{number}", wait_for="delivered")

        threads = [threading.Thread(target=work, args=(each,)) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    events = [event for event in site.events().values() if event["event_type"] == "race"]
    assert len(events) == 40
    keys = {(event["user_id"], event["subject"]["key"], event["kafka_key"]) for event in events}
    assert len(keys) == 20, "one key of each person won"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_has_leases_of_its_own(sqlite_site: ForgottenSite) -> None:
    site = sqlite_site
    with Telemetry(site.config()) as telemetry:
        before = log(telemetry, ADA, "before", wait_for="delivered")
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            code = 1
            try:
                telemetry.audit.log("child", {"n": 1}, ADA, wait_for="delivered")
                telemetry.shutdown(60)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        site.forget(ADA)
        after = log(telemetry, ADA, "after", wait_for="delivered")

    events = site.events()
    assert len(forgotten(events)) == 2
    assert before in forgotten(events)
    assert events[after]["user_id"] == ADA


def test_streams_of_other_services_have_subjects_of_their_own(sqlite_site: ForgottenSite) -> None:
    site = sqlite_site
    with Telemetry(site.config(shared_streams={"max_streams": 4})) as telemetry:
        for service in ("billing", "stock"):
            audit = telemetry.audit.on_behalf_of(service)
            for number in range(3):
                audit.log("paid", {"n": number}, ADA, wait_for="delivered")
        own = log(telemetry, ADA, "own", wait_for="delivered")
        ended = site.run("subject", "forget", ADA, "--service", "billing", "--reason", "request 77", "--yes")
        assert ended.code == 0, ended.err
        telemetry.audit.on_behalf_of("billing").log("paid", {"n": 3}, ADA, wait_for="delivered")

    events = site.events()
    assert {events[event_id]["service_name"] for event_id in forgotten(events)} == {"billing"}
    assert len(forgotten(events)) == 3
    assert events[own]["user_id"] == ADA
    opened = [event for event in events.values() if event["event_type"] == "paid" and event["user_id"] == ADA]
    assert sorted((event["service_name"], event["payload"]["n"]) for event in opened) == [
        *(("billing", 3),),
        *(("stock", number) for number in range(3)),
    ]
    assert len({event["kafka_key"] for event in opened}) == 2


def test_rows_are_relayed_without_any_key(sqlite_site: ForgottenSite) -> None:
    site = sqlite_site

    async def rows() -> list[bytes]:
        async with AsyncTelemetry(site.config()) as telemetry:
            audit = telemetry.audit
            for user in (ADA, 7, None):
                await audit.key_ready(user)
            with audit_context(user_id=BOB):
                await audit.key_ready()
                by_context = audit.seal("row", {"n": 3})
            return [
                *(audit.seal("row", {"n": number}, user).data for number, user in enumerate((ADA, 7, None))),
                by_context.data,
            ]

    sealed = asyncio.run(rows())
    assert not [row for row in sealed if ADA.encode() in row]
    relay = {"relay_only": True, "encryption_config": None, "subject_keys": None}
    with Telemetry(site.config(**relay)) as telemetry:
        for row in sealed[1:]:
            telemetry.audit.relay(row, wait_for="delivered")
        # Sealed before she was forgotten: this is what is forgotten with her.
        site.forget(ADA)
        telemetry.audit.relay(sealed[0], wait_for="delivered")

    events = {event_id: event for event_id, event in site.events().items() if event["event_type"] == "row"}
    assert len(forgotten(events)) == 1
    assert sorted(event["user_id"] for event in events.values()) == ["7", "anonymous", BOB, "forgotten"]
    assert {event["features"][-2:] == ["relayed", "subject"] for event in events.values()} == {True}


def test_store_that_is_not_named_or_is_another_one(sqlite_site: ForgottenSite, tmp_path: Path) -> None:
    site = sqlite_site
    with Telemetry(site.config()) as telemetry:
        log(telemetry, ADA, "before", wait_for="delivered")
    (tmp_path / "other").mkdir()
    other = SubjectSite.in_sqlite(tmp_path / "other")

    unnamed = site.run("tail", subject_keys=None)
    assert (unnamed.code, "audit_config.subject_keys" in unnamed.err) == (5, True), unnamed.err
    wrong = site.run("tail", subject_keys={"store": other.url})
    assert wrong.code == 5
    assert "was not forgotten" in wrong.err


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    until(lambda: not [each for each in threading.enumerate() if each.name.startswith("telemetry-subject")])
