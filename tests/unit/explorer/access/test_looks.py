"""Who looks is in the trail before anything is shown, signed by the reader, whatever is away."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import ConfigurationError, ReadNotRecordedError
from telemetry.explorer.access.looks import EXPORTED, READ, SEARCHED, VIEWED, Looks
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.records.denials import DENIED, Denial
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, ExplorerConfig, SigningConfig, TelemetryConfig
from tests.support.events_at_rest import in_fallback, on_topic
from tests.support.quick_telemetry import NOWHERE, quick_config

EVENT_ID = "01900000-0000-7000-8000-000000000000"


def of(audit: AuditConfig, *, seconds: float = 60) -> TelemetryConfig:
    explorer = ExplorerConfig(record_seconds=seconds)
    return TelemetryConfig(service_name="shop", audit_config=audit, explorer_config=explorer)


def session(right: Right = Right.EXPORT, *, is_open: bool = True) -> Session:
    person = Person(subject="u-17", name="Ada Byron", right=right, how="oidc")
    found = Session(person, address="10.0.0.7")
    if is_open:
        found.open_content("ticket 4711")
    return found


def events(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [value["data"] for value in values if "data" in value and "event_type" in value["data"]]


async def test_each_look_is_an_event_of_one_stream(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        ada = session()
        async with Looks(of(audit), sources=[{"kind": "topic"}]) as looks:
            await looks.opened(ada, "ticket 4711")
            await looks.searched(ada, {"users": ["bob"]}, 3)
            await looks.viewed(ada, EVENT_ID)
            await looks.exported(ada, {"format": "csv"}, 3)
            seen = events(on_topic(audit))
        values = on_topic(audit)

    assert [event["event_type"] for event in seen] == [READ, SEARCHED, VIEWED, EXPORTED]
    assert {event["producer"] for event in seen} == {seen[0]["producer"]}
    assert {value["source"] for value in values} == {"/production/telemetry-reader"}
    for event in seen:
        assert (event["user_id"], event["session_id"], event["ip_address"]) == ("u-17", ada.id, "10.0.0.7")
        assert event["payload"]["signed_in"] == "oidc"
        assert event["reason"] == "ticket 4711"
    opened, searched, viewed, exported = seen
    assert opened["payload"]["sources"] == [{"kind": "topic"}]
    assert (searched["payload"]["filters"], searched["payload"]["found"]) == ({"users": ["bob"]}, 3)
    assert (viewed["entity"], viewed["entity_id"]) == ("audit_event", EVENT_ID)
    assert exported["payload"]["events"] == 3


async def test_look_is_stored_while_kafka_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = quick_config(NOWHERE, tmp_path)
    async with Looks(of(audit)) as looks:
        await looks.searched(session(), {}, 1)
        await looks.viewed(session(), EVENT_ID)
        assert [event["event_type"] for event in events(in_fallback(audit))] == [SEARCHED, VIEWED]
    assert "u-17" not in caplog.text


async def test_kafka_that_goes_away_later_is_replaced(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=500)
        async with Looks(of(audit, seconds=10)) as looks:
            await looks.searched(session(), {}, 1)
            kafka.stop_brokers()
            await looks.viewed(session(), EVENT_ID)
            assert [event["event_type"] for event in events(in_fallback(audit))] == [VIEWED]


async def test_look_that_cannot_be_recorded_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = quick_config(NOWHERE, tmp_path, fallback_enabled=False)
    closed, viewer = session(is_open=False), session(Right.SEALED)
    async with Looks(of(audit, seconds=5)) as looks:
        with pytest.raises(ReadNotRecordedError, match="read_audit"):
            await looks.opened(closed, "ticket 4711")
        with pytest.raises(ReadNotRecordedError):
            await looks.viewed(session(), EVENT_ID)
        # They see no content.
        await looks.searched(closed, {}, 1)
        await looks.searched(viewer, {}, 1)
    assert "could not be recorded" in caplog.text


async def test_attempt_shows_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = quick_config(NOWHERE, tmp_path, fallback_enabled=False, read_audit="attempt")
    async with Looks(of(audit)) as looks:
        with caplog.at_level(logging.ERROR, logger="telemetry.explorer"):
            await looks.viewed(session(), EVENT_ID)
    assert "continuing although telemetry.viewed could not be recorded" in caplog.text


async def test_off_records_nothing(tmp_path: Path) -> None:
    audit = quick_config(NOWHERE, tmp_path, read_audit="off")
    async with Looks(of(audit)) as looks:
        await looks.viewed(session(), EVENT_ID)
        looks.denials.add(Denial("needs_export", "u-17", "", ""))
    assert in_fallback(audit) == []


async def test_configuration_that_cannot_work_stops_the_start(tmp_path: Path) -> None:
    audit = quick_config(NOWHERE, tmp_path, kafka_options={"debug": "nothing"})
    with pytest.raises(ConfigurationError, match="kafka_options"):
        await Looks(of(audit)).__aenter__()
    # Where nobody sees content, records are not needed to verify.
    async with Looks(of(audit), shows_content=False) as looks:
        await looks.searched(session(Right.SEALED), {}, 1)


async def test_looks_are_signed_with_the_readers_key(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "signing", "correct horse battery", name="readers")
    signing = SigningConfig(key_path=tmp_path / "signing", passphrase="correct horse battery")  # type: ignore[arg-type]
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path, signing_config=signing)
        async with Looks(of(audit)) as looks:
            await looks.viewed(session(), EVENT_ID)
        values = on_topic(audit)
    assert [value["type"] for value in values if value["type"] == "telemetry.checkpoint"]
    assert all(value["source"] == "/production/telemetry-reader" for value in values)


async def test_many_looks_at_once_are_all_recorded(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        async with Looks(of(audit)) as looks:
            ada = session()
            await asyncio.gather(*(looks.searched(ada, {"text": "x" * 2_000}, at) for at in range(200)))
            assert len(events(on_topic(audit))) == 200


async def test_huge_search_is_recorded_cut(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        async with Looks(of(audit)) as looks:
            await looks.searched(session(), {"text": ["x" * 1_024] * 2_000}, 1)
            (event,) = events(on_topic(audit))
    assert event["adjusted"]


async def test_refusals_are_counted_in_few_events(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        audit = quick_config(kafka.bootstrap_servers, tmp_path)
        async with Looks(of(audit)) as looks:
            for _ in range(500):
                looks.denials.add(Denial("needs_export", "u-17", "s", "10.0.0.7"))
            for number in range(5_000):
                looks.denials.add(Denial("dead_link", "", "", f"10.0.{number // 250}.{number % 250}"))
        seen = [event for event in events(on_topic(audit)) if event["event_type"] == DENIED]

    assert len(seen) <= 61
    assert sum(event["payload"]["count"] for event in seen if event["user_id"] == "u-17") in (1, 500)
    assert {event["outcome"] for event in seen} == {"denied"}
