"""What becomes of events whose types raise, count or block, while nothing more fits into the queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.catalog import AuditCatalog, Event
from telemetry.exceptions import BackpressureError
from telemetry.sync import Telemetry
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.until import until

_ROOM = 3


class Step(Event):
    n: int


catalog = AuditCatalog("faults", version=1)
catalog.event("raising")(type("Raising", (Step,), {}))
catalog.event("counted", on_failure="count")(type("Counted", (Step,), {}))
catalog.event("brief", on_failure="block", block_seconds=0.1)(type("Brief", (Step,), {}))
catalog.event("patient", on_failure="block", block_seconds=200)(type("Patient", (Step,), {}))
catalog.event("brief.delivery", delivery="delivered", on_failure="block", block_seconds=0.1)(
    type("BriefDelivery", (Step,), {})
)


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    faulty = FaultyStore()
    yield faulty
    faulty.clear()


@pytest.fixture
def full(store: FaultyStore, tmp_path: Path) -> Iterator[Telemetry]:
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        queue_max_events=_ROOM,
        queue_full_timeout_ms=0,
        fallback_object_seconds=0.02,
    )
    with Telemetry(config, catalog=catalog) as telemetry:
        store.begin("hanging")
        for number in range(_ROOM):
            telemetry.audit.log("raising", {"n": number}, "ada")
        yield telemetry
        store.clear()


def test_raising_type_raises_at_once(full: Telemetry) -> None:
    with pytest.raises(BackpressureError):
        full.audit.log("raising", {"n": 1}, "ada")

    assert full.audit.get_audit_stats().lost == 0


def test_counted_type_is_lost_and_goes_on(full: Telemetry) -> None:
    receipt = full.audit.log("counted", {"n": 1}, "ada")

    assert isinstance(receipt.error, BackpressureError)
    assert full.audit.get_audit_stats().lost == 1


def test_blocking_type_raises_after_its_time(full: Telemetry) -> None:
    with pytest.raises(BackpressureError):
        full.audit.log("brief", {"n": 1}, "ada")


def test_blocking_type_waits_until_there_is_room(full: Telemetry, store: FaultyStore) -> None:
    receipts: list[Receipt] = []
    caller = threading.Thread(target=lambda: receipts.append(full.audit.log("patient", {"n": 1}, "ada")))
    caller.start()
    until(lambda: full.audit.get_audit_stats().refused > 0)
    store.clear()
    caller.join(200)

    assert [receipt.sequence for receipt in receipts] == [_ROOM]


def test_blocking_type_does_not_wait_for_ever_to_be_delivered(store: FaultyStore, tmp_path: Path) -> None:
    config = quick_config(NOWHERE, tmp_path, storage_config=store.config)
    with Telemetry(config, catalog=catalog) as telemetry:
        store.begin("hanging")
        with pytest.raises(TimeoutError, match="delivery continues"):
            telemetry.audit.log("brief.delivery", {"n": 1}, "ada")

        async def awaited() -> None:
            await telemetry.audit.log("brief.delivery", {"n": 2}, "ada")

        with pytest.raises(TimeoutError, match="delivery continues"):
            asyncio.run(awaited())
        store.clear()
        until(lambda: telemetry.audit.get_audit_stats().stored == 2)
