"""Streams that share one pipeline, in an outage, beside a flood, and without a key."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.stream.segments import Segments
from telemetry.exceptions import BackpressureError, SpoolError
from telemetry.format.objects.stored_name import parse_stored_name
from telemetry.reader.verify.verdicts import Verdict
from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import fallback_objects
from tests.support.faulty_services import FaultyKeys
from tests.support.gateway_site import GatewaySite
from tests.support.leftovers import left_in
from tests.support.until import until

_GOOD = (Verdict.COMPLETE, Verdict.DUPLICATE)


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def site(kafka: EmbeddedKafka, tmp_path: Path) -> GatewaySite:
    return GatewaySite(kafka.bootstrap_servers, tmp_path)


def _await_no_file(producer: str | None, spool: Path) -> None:
    assert producer is not None
    until(lambda: not any(producer in name for name in left_in(spool)), what="the end of the idle stream's file")


def _numbers(site: GatewaySite) -> dict[str, list[int]]:
    return {
        name: [event.payload["n"] for event in sorted(events, key=lambda event: (event.producer, event.sequence))]
        for name, events in site.events().items()
    }


def test_outage_is_stored_by_stream_and_replayed_in_order(kafka: EmbeddedKafka, site: GatewaySite) -> None:
    with site.running(kafka_timeout_ms=500, max_retries=0, fallback_object_seconds=1.0) as telemetry:
        audits = [telemetry.audit.on_behalf_of(f"service-{number}") for number in range(5)]
        for audit in audits:
            audit.log("step", {"n": 0}, "ada", wait_for="delivered")
        kafka.stop_brokers()
        for number in range(1, 101):
            for audit in audits:
                audit.log("step", {"n": number}, "ada")
        until(lambda: telemetry.audit.get_audit_stats().stored >= 500, what="every event in the store")
        objects = list(fallback_objects(site.config().audit_config))
        assert len(objects) <= 50, "interleaved streams are not stored as one object for each change of stream"
        for name, values in objects:
            parts = parse_stored_name(name)
            assert parts is not None
            assert {value["producer"] for value in values} == {values[0]["producer"]}
        kafka.start_brokers()
        until(lambda: not telemetry.audit.get_audit_stats().diverted, what="the return to Kafka")

    assert not list(fallback_objects(site.config().audit_config))
    assert _numbers(site) == {f"service-{number}": [*range(101)] for number in range(5)}
    assert site.report().verdict in _GOOD


def test_flood_of_one_stream_leaves_room_for_another(kafka: EmbeddedKafka, site: GatewaySite) -> None:
    kafka.set_latency(0.2)
    bounds: dict[str, Any] = {"queue_max_events": 2_000, "queue_full_timeout_ms": 60_000}
    with site.running(**bounds) as telemetry:
        flooding, quiet = telemetry.audit.on_behalf_of("flood"), telemetry.audit.on_behalf_of("quiet")
        quiet.log("step", {"n": -1}, "ada", wait_for="delivered")  # the first one waits for its data key
        ended = threading.Event()
        refused = 0

        def flood() -> None:
            nonlocal refused
            while not ended.is_set():
                try:
                    flooding.log("step", {"pad": "x" * 200}, "ada", wait_for="offered")
                except BackpressureError:
                    refused += 1
                    ended.wait(0.001)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        until(lambda: refused > 0, what="the flood that is refused")
        fills: list[float] = []
        for number in range(20):
            receipt = quiet.log("step", {"n": number}, "ada", wait_for="offered")
            assert receipt.is_accepted, "it never waits for room"
            fills += [health.used_share for health in telemetry.audit.stream_health() if health.service_name == "flood"]
            receipt.wait_delivered(60)
        ended.set()
        thread.join(60)
        assert max(fills) <= 1.0
        assert telemetry.health().ready, "one stream that has used up its share is no reason to leave the service"
        (other, flooded) = telemetry.audit.stream_health()
        assert (other.service_name, flooded.service_name) == ("quiet", "flood")
        assert other.waiting == 0

    assert site.report().verdict in _GOOD


def test_first_keys_of_many_streams_do_not_storm_the_key_service(site: GatewaySite) -> None:
    with site.running() as telemetry:
        receipts = [
            telemetry.audit.on_behalf_of(f"service-{number}").log("step", {"n": 0}, "ada", wait_for="offered")
            for number in range(200)
        ]
        most = sum(thread.name == "telemetry-keys" for thread in threading.enumerate())
        for receipt in receipts:
            receipt.wait_delivered(60)

    assert most <= 8
    assert len(_numbers(site)) == 200
    report = site.report()
    assert report.verdict in _GOOD
    assert len(report.producers) == 200


def test_stream_without_its_first_key_delays_no_other(site: GatewaySite) -> None:
    keys = FaultyKeys()
    with site.running(encryption_config=keys.config, data_key_wait_ms=60_000) as telemetry:
        fine = telemetry.audit.on_behalf_of("fine")
        fine.log("step", {"n": 0}, "ada", wait_for="delivered")
        keys.begin("hanging")
        waiting = telemetry.audit.on_behalf_of("waiting").log("step", {"n": 0}, "ada", wait_for="offered")
        keys_away = next(h for h in telemetry.audit.stream_health() if h.service_name == "waiting")

        for number in range(1, 20):
            fine.log("step", {"n": number}, "ada", wait_for="delivered")

        assert not waiting.is_accepted
        assert (keys_away.waiting, keys_away.has_data_key) == (1, False)
        keys.clear()
        waiting.wait_delivered(60)


def test_shutdown_under_load_closes_every_stream(site: GatewaySite, tmp_path: Path) -> None:
    ended = threading.Event()
    accepted: dict[str, int] = {}

    with site.running(spool_path=tmp_path / "spool") as telemetry:

        def log(name: str) -> None:
            audit = telemetry.audit.on_behalf_of(name)
            number = 0
            while not ended.is_set():
                try:
                    audit.log("step", {"n": number}, "ada")
                except Exception:  # noqa: BLE001 - the shutdown refuses it
                    break
                number += 1
                accepted[name] = number

        threads = [threading.Thread(target=log, args=(f"service-{number}",), daemon=True) for number in range(6)]
        for thread in threads:
            thread.start()
        until(lambda: len(accepted) == 6 and min(accepted.values()) > 50, what="events of every stream")
        report = telemetry.shutdown(60)
        ended.set()
        for thread in threads:
            thread.join(60)

    assert report.left == 0
    assert {name: len(numbers) for name, numbers in _numbers(site).items()} == accepted
    assert left_in(tmp_path / "spool") == []
    verified = site.report()
    assert verified.verdict in _GOOD
    finals = {checkpoint.source for checkpoint in site.checkpoints() if checkpoint.final}
    assert finals >= {f"/test/service-{number}" for number in range(6)}


def test_idle_stream_with_a_spool_leaves_no_file(site: GatewaySite, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with site.running(spool_path=spool, shared={"idle_seconds": 1}) as telemetry:
        audit = telemetry.audit.on_behalf_of("payments")
        producers = set()
        for number in range(2):
            receipt = audit.log("step", {"n": number}, "ada", wait_for="durable")
            producers.add(receipt.producer)
            _await_no_file(receipt.producer, spool)
        assert len(producers) == 2

    assert _numbers(site)["payments"] == [0, 1]
    assert site.report().verdict in _GOOD


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork()")
def test_forked_child_has_streams_of_its_own(kafka: EmbeddedKafka, site: GatewaySite, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    worker = root / "tests" / "support" / "workers" / "gateway_fork.py"
    done = subprocess.run(
        [sys.executable, str(worker), kafka.bootstrap_servers, str(site.folder)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )

    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "child False 0", "ended 0", "parent True 1"]
    assert left_in(tmp_path / "spool") == []
    assert {event.event_type for event in site.events()["payments"]} == {"before", "parent", "child"}
    assert site.report().verdict in _GOOD


def test_new_file_delays_no_other_stream(site: GatewaySite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.running(spool_path=tmp_path / "spool") as telemetry:
        first = telemetry.audit.on_behalf_of("open")
        first.log("step", {"n": 0}, "ada", wait_for="durable")
        gate, create = threading.Event(), Segments.create

        def create_late(segments: Segments, producer: str) -> SpoolSegment:
            assert gate.wait(60)
            return create(segments, producer)

        monkeypatch.setattr(Segments, "create", create_late)
        new = [
            telemetry.audit.on_behalf_of(f"new-{number}").log("step", {"n": 0}, "ada", wait_for="offered")
            for number in range(5)
        ]
        for receipt in new:
            receipt.wait_accepted(60)

        for number in range(1, 4):
            first.log("step", {"n": number}, "ada", wait_for="offered").wait_delivered(60)

        assert not any(receipt.is_durable for receipt in new)
        gate.set()
        for receipt in new:
            receipt.wait_durable(60)

    assert left_in(tmp_path / "spool") == []
    assert site.report().verdict in _GOOD


def test_stream_whose_file_cannot_be_created_goes_on(
    site: GatewaySite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.running(spool_path=tmp_path / "spool") as telemetry:

        def fail(_segments: Segments, _producer: str) -> SpoolSegment:
            message = "cannot create the spool segment: too many open files"
            raise SpoolError(message)

        with monkeypatch.context() as patched:
            patched.setattr(Segments, "create", fail)
            place = telemetry.audit.on_behalf_of("new").log("step", {"n": 0}, "ada").wait_delivered(60)
            assert place.topic == "audit-events"

    assert _numbers(site) == {"new": [0]}
    assert site.report().verdict in _GOOD
