"""Other systems understand who looked: the events of the explorer are readings of the trail."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.explorer.access.looks import EXPORTED, READ, SEARCHED, VIEWED, Looks
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.records.denials import DENIED, Denial
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings.ecs import to_ecs
from telemetry.reader.mappings.ocsf.mapping import to_ocsf
from telemetry.testing import EmbeddedKafka
from telemetry.trail import open_trail
from telemetry.types import ExplorerConfig, TelemetryConfig
from tests.support.quick_telemetry import quick_config


@pytest.fixture
async def looks(tmp_path: Path) -> dict[str, OpenedEvent]:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        config = TelemetryConfig(audit_config=audit, explorer_config=ExplorerConfig(record_seconds=60))
        ada = Session(Person(subject="u-17", name="Ada", right=Right.EXPORT, how="oidc"), address="10.0.0.7")
        async with Looks(config) as writer:
            await writer.opened(ada, "ticket 1")
            await writer.searched(ada, {}, 1)
            await writer.viewed(ada, "01900000-0000-7000-8000-000000000000")
            await writer.exported(ada, {}, 1)
            writer.denials.add(Denial("dead_link", "", "", "10.0.0.9"))
        quiet = audit.model_copy(update={"read_audit": "off"})
        with open_trail(quiet) as trail:
            return {entry.event.event_type: entry for entry in trail if isinstance(entry, OpenedEvent)}


def test_looks_are_readings_in_ocsf(looks: dict[str, OpenedEvent]) -> None:
    for event_type in (READ, SEARCHED, VIEWED, EXPORTED):
        record = to_ocsf(looks[event_type])
        assert (record["type_uid"], record["status"]) == (600302, "Success")
        assert record["actor"]["user"]["uid"] == "u-17"
    denied = to_ocsf(looks[DENIED])
    assert (denied["class_uid"], denied["status_detail"]) == (6003, "denied")


def test_looks_are_accesses_in_ecs(looks: dict[str, OpenedEvent]) -> None:
    for event_type in (READ, SEARCHED, VIEWED, EXPORTED):
        assert to_ecs(looks[event_type])["event"]["type"] == ["access"]
    denied = to_ecs(looks[DENIED])
    assert "denied" in denied["event"]["type"]
    assert denied["source"]["ip"] == "10.0.0.9"
