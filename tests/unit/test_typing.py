"""What a type checker says about calls of ``log()``: right ones pass, a wrong outcome does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RIGHT = """
import asyncio
from datetime import datetime
from telemetry import Telemetry, audit_context, audited
from telemetry.sync import Telemetry as Blocking
from telemetry.types import Receipt

async def right(telemetry: Telemetry, when: datetime) -> None:
    first: Receipt = await telemetry.audit.log("t", {}, "ada", outcome="denied", occurred_at=when, ticket=7)
    task: asyncio.Task[Receipt] = asyncio.create_task(telemetry.audit.log("t", {}, 7, actor_type="service"))
    both = await asyncio.gather(telemetry.audit.log("t", {}, None), asyncio.wait_for(telemetry.audit.log("t", 1, "a"), 1))
    async with asyncio.TaskGroup() as group:
        group.create_task(telemetry.audit.log("t", {}, "ada", changes={"a": (1, 2)}, targets=[("order", 7)]))
    print(first.sequence, task, both[0].event_id, both[1].event_id)

def blocking(telemetry: Blocking) -> None:
    with telemetry:
        print(telemetry.audit.log("t", {}, "ada").wait_delivered().offset, telemetry.shutdown().delivered)
    with audit_context(user_id="ada"):
        asyncio.run(telemetry.audit.log("t", {}))

@audited("order.refunded")
async def refund(order_id: int) -> str:
    return await telemetry_of(order_id)

@audit_context(user_id="job")
def telemetry_of(order_id: int) -> asyncio.Task[str]:
    raise LookupError(order_id)

async def decorated() -> str:
    return await refund(7)
"""
WRONG = """
from telemetry import Telemetry

def wrong(telemetry: Telemetry) -> None:
    telemetry.audit.log("t", {}, "ada", outcome="ok")
    telemetry.audit.log("t", {}, "ada", actor_type="robot")
    telemetry.audit.log("t", {}, "ada", wait_for="sent")
    telemetry.audit.log("t", {}, "ada", sensitive="yes")
    telemetry.audit.log({}, "t", "ada")
    telemetry.audit.log("t")
"""


def test_type_checker_knows_the_arguments(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)

    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")),
            *("--follow-imports", "silent", "right.py", "wrong.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    lines = checked.stdout.splitlines()
    assert [line for line in lines if not line.startswith("wrong.py")] == [], checked.stdout + checked.stderr
    assert {int(line.split(":")[1]) for line in lines if ": error:" in line} == {5, 6, 7, 8, 9, 10}
