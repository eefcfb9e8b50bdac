"""Streams are opened once, bounded, and ended while others log: no event is lost between an end and the next stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.exceptions import BackpressureError
from telemetry.reader.verify.verdicts import Verdict
from telemetry.testing import EmbeddedKafka
from tests.support.gateway_site import GatewaySite
from tests.support.until import until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GatewaySite]:
    with EmbeddedKafka() as kafka:
        yield GatewaySite(kafka.bootstrap_servers, tmp_path)


def test_threads_that_open_one_stream_at_once_share_it(site: GatewaySite) -> None:
    with site.running() as telemetry:
        barrier = threading.Barrier(8)
        places: list[tuple[str | None, int | None]] = []

        def log() -> None:
            audit = telemetry.audit.on_behalf_of("payments")
            barrier.wait(60)
            receipt = audit.log("step", {}, "ada", wait_for="delivered")
            places.append((receipt.producer, receipt.sequence))

        threads = [threading.Thread(target=log) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert len({producer for producer, _ in places}) == 1
    assert sorted(sequence or 0 for _, sequence in places) == [*range(8)]


def test_events_while_streams_end_are_all_there(site: GatewaySite, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stream ends as soon as nothing of it is unsettled: between any two events.
    monkeypatch.setattr("telemetry.audit.streams.stream_rounds._ROUND_SECONDS", 0.0)
    with site.running(shared={"idle_seconds": 1}) as telemetry:
        monkeypatch.setattr("telemetry.audit.streams.stream_rounds.StreamRounds._is_idle", lambda *_arguments: True)
        producers: set[str | None] = set()
        logged = 0
        lock = threading.Lock()

        def log(name: str) -> None:
            nonlocal logged
            audit = telemetry.audit.on_behalf_of(name)
            for number in range(1_000):
                receipt = audit.log("step", {"n": number}, "ada", wait_for="delivered")
                with lock:
                    producers.add(receipt.producer)
                    logged += 1
                if number >= 60 and len(producers) > 4:
                    return
                # Ever longer pauses: on any machine, sooner or later both threads of a service are silent at once.
                time.sleep(number / 10_000)

        threads = [threading.Thread(target=log, args=(f"service-{number % 2}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert telemetry.audit.get_audit_stats().logged == logged

    assert len(producers) > 4, "streams have ended meanwhile"
    assert sum(len(events) for events in site.events().values()) == logged >= 240
    assert site.report().verdict in (Verdict.COMPLETE, Verdict.DUPLICATE)


def test_slot_of_an_idle_stream_is_free_again(site: GatewaySite) -> None:
    with site.running(shared={"idle_seconds": 1, "max_streams": 1}) as telemetry:
        telemetry.audit.on_behalf_of("a").log("step", {}, "ada", wait_for="delivered")
        with pytest.raises(BackpressureError):
            telemetry.audit.on_behalf_of("b")

        until(lambda: not telemetry.audit.stream_health(), what="the end of the idle stream")

        assert telemetry.audit.on_behalf_of("b").log("step", {}, "ada").sequence == 0


def test_stream_without_an_event_leaves_no_checkpoint(site: GatewaySite) -> None:
    with site.running(shared={"idle_seconds": 1}, checkpoint_heartbeat_seconds=0.1) as telemetry:
        audit = telemetry.audit.on_behalf_of("payments")
        with pytest.raises(Exception, match="event"):
            audit.log("", {}, "ada")
        assert len(telemetry.audit.stream_health()) == 1
        until(lambda: not telemetry.audit.stream_health(), what="the end of the idle stream")

    assert {checkpoint.source for checkpoint in site.checkpoints()} <= {"/test/gateway"}
