"""Events that an application sealed into rows and a relay sent: what auditors' commands say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import ShutdownReport
from tests.attacks.site import KeyFiles, Site
from tests.support.until import until

RELAY: dict[str, Any] = {"relay_only": True, "encryption_config": None}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    with EmbeddedKafka(partitions=1) as kafka:
        yield Site(kafka, tmp_path, keys)


def sealed(site: Site, *numbers: int, **config: Any) -> list[bytes]:
    """Return rows of one process of the application, which also logs an event."""
    with Telemetry(site.config(**config)) as telemetry:
        telemetry.audit.log("web.started", {}, "system")
        return [telemetry.audit.seal("order.paid", {"n": number}, "ada", reason="web").data for number in numbers]


def relayed(site: Site, rows: Sequence[bytes], **config: Any) -> ShutdownReport:
    """Relay rows in a process that has no right to any key."""
    telemetry = Telemetry(site.config(**{**RELAY, **config}))
    telemetry.start()
    for row in rows:
        telemetry.audit.relay(row)
    return telemetry.shutdown()


def shown(site: Site, *options: str) -> list[dict[str, Any]]:
    ended = site.run("tail", "--json", *options)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_relayed_events_are_read_and_proven(site: Site) -> None:
    rows = sealed(site, *range(20), hide_event_type=True)

    report = relayed(site, rows)

    events = shown(site, "--type", "order.paid", "--public-key", site.keys.public_key)
    assert [event["payload"]["n"] for event in events] == list(range(20))
    assert [event["sequence"] for event in events] == list(range(20))
    assert {event["proven"] for event in events} == {"yes"}
    assert {event["reason"] for event in events} == {"web"}
    assert len({event["producer"] for event in events}) == 1
    verified = site.verify()
    assert (verified.code, verified.verdict) == (0, "complete"), verified
    assert report.delivered == 20


def test_event_of_a_relay_is_traced_and_proven_offline(site: Site, tmp_path: Path) -> None:
    rows = sealed(site, 1, 2, 3)
    relayed(site, rows)
    event_id = json.loads(rows[1])["value"]["id"]

    traced = site.run("lineage", event_id, "--json", "--public-key", site.keys.public_key)
    proof = site.run(*("prove", event_id, "--public-key", site.keys.public_key, "--out", str(tmp_path / "proof.json")))

    assert traced.code == 0, traced.err
    (record,) = json.loads(traced.out)["records"]
    assert (record["proven"], record["call"]["relayed"]) == ("yes", True)
    told = site.run("lineage", event_id, "--public-key", site.keys.public_key).out
    assert re.search(b"relay +%b" % record["call"]["producer"][:8].encode(), told), told
    assert proof.code == 0, proof.err


def test_row_that_two_relays_send_is_one_event(site: Site) -> None:
    rows = sealed(site, *range(4))
    relayed(site, rows[:3])

    # The first relay died before it could delete the last two rows.
    relayed(site, rows[1:])

    assert [event["payload"]["n"] for event in shown(site, "--type", "order.paid")] == [0, 1, 2, 3]
    options = ("--type", "order.paid", "--public-key", site.keys.public_key)
    proven = shown(site, *options)
    assert [(event["payload"]["n"], event["proven"]) for event in proven] == [(n, "yes") for n in range(4)]
    assert [event["payload"]["n"] for event in shown(site, *options, "--repeats")] == [0, 1, 2, 1, 2, 3]
    verified = site.verify()
    assert (verified.code, verified.verdict) == (0, "complete"), verified


@pytest.mark.parametrize("key_mode", ["clear", "hmac"])
def test_every_form_of_event_is_relayed(site: Site, key_mode: str) -> None:
    options: dict[str, Any] = {"key_mode": key_mode, "clear_fields": ("user_id", "session_id", "sensitive")}
    if key_mode == "hmac":
        options["key_hmac_secret"] = "0123456789abcdef-canary"
    with Telemetry(site.config(**options)) as telemetry:
        row = telemetry.audit.seal(
            *("order.paid", {"n": 1}, "ada"),
            session_id="s\u0000",
            sensitive=True,
            targets=[("order", 7)],
            changes={"state": ("open", "paid")},
            occurred_at="2026-01-31T12:00:00Z",
            idempotency_key="k-1",
        )

    relayed(site, [row.data])

    (event,) = shown(site, "--type", "order.paid", "--sensitive")
    assert (event["targets"], event["adjusted"]) == ([{"entity": "order", "entity_id": "7"}], ["session_id"])
    assert ("ada" in row.key.decode()) is (key_mode == "clear")
    assert site.verify().code == 0


def test_events_in_the_clear_are_relayed(site: Site) -> None:
    clear: dict[str, Any] = {"encryption_enabled": False, "encryption_config": None}
    rows = sealed(site, 1, 2, **clear)

    relayed(site, rows, **clear)

    assert site.verify().code == 0


@pytest.mark.parametrize("spooled", [True, False], ids=["spool", "no spool"])
def test_relayed_through_fallback_and_replay(site: Site, tmp_path: Path, spooled: bool) -> None:
    rows = sealed(site, *range(30))
    way: dict[str, Any] = {
        "fallback_enabled": True,
        "storage_config": {"provider": "local_file", "base_path": str(tmp_path / "store")},
        "kafka_timeout_ms": 100,
        "max_retries": 0,
        "fallback_object_seconds": 0.1,
        **({"spool_path": str(tmp_path / "spool")} if spooled else {}),
    }
    away = relayed(site, rows, **way, kafka_brokers="127.0.0.1:9")
    assert (away.delivered, away.stored) == (0, 30)

    with Telemetry(site.config(**RELAY, **{**way, "kafka_timeout_ms": 20_000})) as again:
        until(lambda: again.audit.get_audit_stats().replayed == 30)

    assert sorted(event["payload"]["n"] for event in shown(site, "--type", "order.paid")) == list(range(30))
    verified = site.verify()
    assert (verified.code, verified.verdict) == (0, "complete"), verified
