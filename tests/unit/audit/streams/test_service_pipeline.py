"""One process logs on behalf of several services; each of them has a stream of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.exceptions import BackpressureError, ConfigurationError, EventError, LifecycleError
from telemetry.reader.verify.verdicts import Verdict
from telemetry.testing import EmbeddedKafka
from tests.support.gateway_site import GatewaySite
from tests.support.until import until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[GatewaySite]:
    with EmbeddedKafka() as kafka:
        yield GatewaySite(kafka.bootstrap_servers, tmp_path)


def test_each_service_has_its_own_stream(site: GatewaySite) -> None:
    with site.running() as telemetry:
        for number in range(30):
            name = ("payments", "orders", "users")[number % 3]
            receipt = telemetry.audit.on_behalf_of(name).log("step", {"n": number}, "ada")
            assert receipt.sequence == number // 3
        telemetry.audit.log("own", {}, "ada")
        stats = telemetry.audit.get_audit_stats()

    assert stats.logged == 31
    events = site.events()
    assert {name: [event.payload["n"] for event in events[name]] for name in ("payments", "orders", "users")} == {
        "payments": [*range(0, 30, 3)],
        "orders": [*range(1, 30, 3)],
        "users": [*range(2, 30, 3)],
    }
    assert len({event.producer for found in events.values() for event in found}) == 4
    report = site.report()
    assert report.verdict is Verdict.COMPLETE
    assert {producer.source for producer in report.producers} == {
        f"/test/{name}" for name in ("gateway", "payments", "orders", "users")
    }
    finals = [checkpoint for checkpoint in site.checkpoints() if checkpoint.final]
    assert {(checkpoint.source, checkpoint.via) for checkpoint in finals} == {
        ("/test/gateway", None),
        *((f"/test/{name}", "/test/gateway") for name in ("payments", "orders", "users")),
    }


def test_own_name_is_the_own_stream(site: GatewaySite) -> None:
    with site.running() as telemetry:
        first = telemetry.audit.log("own", {}, "ada")
        second = telemetry.audit.on_behalf_of("gateway").log("own", {}, "ada")

    assert (second.producer, second.sequence) == (first.producer, 1)


def test_names_are_checked(site: GatewaySite) -> None:
    with site.running() as telemetry:
        for name in ("", " ", "a:b", "x" * 201, "line\nbreak", 7):
            with pytest.raises(EventError, match="service_name"):
                telemetry.audit.on_behalf_of(name)  # type: ignore[arg-type]


def test_streams_are_bounded(site: GatewaySite) -> None:
    with site.running(shared={"max_streams": 2}) as telemetry:
        telemetry.audit.on_behalf_of("a").log("step", {}, "ada")
        third = telemetry.audit.on_behalf_of("c")
        telemetry.audit.on_behalf_of("b").log("step", {}, "ada")

        with pytest.raises(BackpressureError, match="max_streams"):
            telemetry.audit.on_behalf_of("c")
        with pytest.raises(BackpressureError, match="max_streams"):
            third.log("step", {}, "ada")
        assert telemetry.audit.on_behalf_of("a").log("step", {}, "ada").sequence == 1
        assert telemetry.audit.get_audit_stats().refused == 1


def test_without_the_section_there_is_one_service(site: GatewaySite) -> None:
    with (
        site.running(site.config(shared_streams=None)) as telemetry,
        pytest.raises(ConfigurationError, match="shared_streams"),
    ):
        telemetry.audit.on_behalf_of("payments")


def test_rows_of_an_outbox_are_refused(site: GatewaySite) -> None:
    with site.running() as telemetry:
        service = telemetry.audit.on_behalf_of("payments")
        with pytest.raises(EventError, match="outbox"):
            service.seal("step", {}, "ada")
        with pytest.raises(EventError, match="outbox"):
            service.relay(b"row")


def test_nothing_is_accepted_after_shutdown(site: GatewaySite) -> None:
    with site.running() as telemetry:
        service = telemetry.audit.on_behalf_of("payments")
        service.log("step", {}, "ada")

    with pytest.raises(LifecycleError):
        service.log("step", {}, "ada")


def test_idle_stream_ends_and_the_next_event_opens_another(site: GatewaySite) -> None:
    with site.running(shared={"idle_seconds": 1}) as telemetry:
        service = telemetry.audit.on_behalf_of("payments")
        first = service.log("step", {"n": 1}, "ada")
        until(
            lambda: any(c.final and c.producer == first.producer for c in site.checkpoints()),
            what="the final checkpoint",
        )
        second = service.log("step", {"n": 2}, "ada")

        assert second.producer != first.producer
        assert second.sequence == 0
        assert telemetry.audit.get_audit_stats().logged == 2

    assert site.report().verdict is Verdict.COMPLETE
    assert [event.payload["n"] for event in site.events()["payments"]] == [1, 2]
