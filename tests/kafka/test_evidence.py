"""A pack of a thousand events of a real broker is genuine after its topic was deleted."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from telemetry.evidence import EvidenceRequest, Sample
from telemetry.exceptions import TransportError
from tests.services.kafka import KafkaBroker
from tests.support.evidence_site import EvidenceSite

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


def test_thousand_events_outlive_their_topic(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    site = EvidenceSite(kafka.bootstrap("PLAINTEXT"), tmp_path, topic=topic, events=1_500)
    request = EvidenceRequest(sample=Sample(size=1_000, seed=secrets.token_hex(32)))
    pack, summary = site.build(request)
    assert (summary.events, summary.proven, summary.exit_code) == (1_000, 1_000, 0)

    admin = AdminClient({"bootstrap.servers": site.brokers})
    admin.delete_topics([topic], operation_timeout=60)[topic].result(120)
    with pytest.raises(TransportError):
        site.build(request)

    report = site.verify(pack)
    assert (report.exit_code, report.findings) == (0, ())
