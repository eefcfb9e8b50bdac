"""Both faces of ``log()`` on one pipeline; waiting under faults is in tests/fault/test_waiting.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.runtime import Runtime
from telemetry.audit.service import AuditService, BlockingAuditService
from telemetry.exceptions import EventError, LifecycleError
from tests.support.quick_telemetry import NOWHERE, quick_config


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    parts = Runtime(quick_config(NOWHERE, tmp_path))
    parts.start()
    yield parts
    parts.shutdown(20)


async def test_both_faces_number_one_stream(runtime: Runtime) -> None:
    first = await AuditService(runtime).log("login", {}, "ada")
    second = BlockingAuditService(runtime).log("login", {}, "ada")

    assert (first.sequence, second.sequence) == (0, 1)
    assert first.producer == second.producer
    assert AuditService(runtime).get_audit_stats() == BlockingAuditService(runtime).get_audit_stats()


async def test_waiting_for_delivery_returns_a_settled_receipt(runtime: Runtime) -> None:
    first = await AuditService(runtime).log("login", {}, "ada", wait_for="delivered")
    second = BlockingAuditService(runtime).log("login", {}, "ada", wait_for="durable")

    assert first.delivery is not None
    assert second.is_durable, "without a spool an event is durable once it is stored"


@pytest.mark.parametrize("level", ["", "stored", "DURABLE"])
async def test_unknown_level_logs_nothing(runtime: Runtime, level: Any) -> None:
    if level:
        with pytest.raises(EventError, match="wait_for"):
            await AuditService(runtime).log("login", {}, "ada", wait_for=level)
        with pytest.raises(EventError, match="wait_for"):
            BlockingAuditService(runtime).log("login", {}, "ada", wait_for=level)
    else:
        # None and an empty text mean the configuration's level.
        await AuditService(runtime).log("login", {}, "ada", wait_for=level)

    assert runtime.pipeline().stats().logged == (0 if level else 1)


async def test_log_before_start_says_so(tmp_path: Path) -> None:
    runtime = Runtime(quick_config(NOWHERE, tmp_path))

    with pytest.raises(LifecycleError, match="call start"):
        await AuditService(runtime).log("login", {}, "ada")
    with pytest.raises(LifecycleError, match="call start"):
        BlockingAuditService(runtime).get_audit_stats()
