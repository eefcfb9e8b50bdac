"""L reads what a service stores while Kafka is away: a user and a type of event are health data already."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import Site

_PERSONAL = (b"jane.doe@example.com", b"hiv_test_ordered", b"oncology-ward")


@pytest.fixture
def nowhere() -> str:
    """The address of a Kafka that is gone."""
    with EmbeddedKafka() as away:
        return away.bootstrap_servers


def at_rest(folder: Path) -> bytes:
    """Return names and content of every file below a folder."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return b"\n".join(str(file.relative_to(folder)).encode() + b"\n" + file.read_bytes() for file in files)


def test_fallback_object_holds_nothing_personal(site: Site, nowhere: str, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    config = site.config(
        service="oncology-ward",
        kafka_brokers=nowhere,
        kafka_timeout_ms=100,
        max_retries=0,
        fallback_enabled=True,
        storage_config={"provider": "local_file", "base_path": str(store)},
    )
    with Telemetry(config) as telemetry:
        telemetry.audit.log("hiv_test_ordered", {}, "jane.doe@example.com")

    content = at_rest(store)
    assert len(content) > 200
    assert [word for word in _PERSONAL if word in content] == []


def test_spool_holds_nothing_personal(site: Site, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    telemetry = Telemetry(site.config(service="oncology-ward", spool_path=str(spool)))
    telemetry.start()
    site.kafka.stop_brokers()
    try:
        telemetry.audit.log("hiv_test_ordered", {}, "jane.doe@example.com", wait_for="durable")
        content = at_rest(spool)
    finally:
        site.kafka.start_brokers()
        telemetry.shutdown()

    assert len(content) > 200
    assert [word for word in _PERSONAL if word in content] == []
