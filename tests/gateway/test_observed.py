"""Health, readiness and metrics of a gateway that runs, and proxies in front of it."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles
from tests.support.gateway.credentials import GatewayFiles, Pair
from tests.support.gateway.gateway_site import EVENT, GatewaySite, post
from tests.support.gateway.served import Served, local_config
from tests.support.until import until

_PATIENCE = 100.0
_WITH_ANOTHER_PROVIDER = """\
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider

metrics.set_meter_provider(MeterProvider())

from telemetry.cli import main

main()
"""


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    return GatewayFiles(tmp_path)


def test_metrics_that_would_stay_empty_are_an_error(tmp_path: Path) -> None:
    config = local_config(tmp_path)
    listen = ("--listen", "http://127.0.0.1:0", "--admin-listen", "http://127.0.0.1:0")

    ended = subprocess.run(
        [sys.executable, "-c", _WITH_ANOTHER_PROVIDER, "serve", "-c", str(config), *listen],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )

    assert ended.returncode == 2, ended.stderr
    assert "another meter provider" in " ".join(ended.stderr.split())


def test_reasons_and_metrics_are_for_the_admin_address(gateway_site: GatewaySite) -> None:
    with gateway_site.serve() as served, gateway_site.client(served) as client:
        assert post(client) == 202
        assert client.get("/readyz").json() == {"ready": True}
        assert client.get("/metrics").status_code == 404
        with httpx.Client(base_url=served.admin, timeout=_PATIENCE) as admin:
            ready = admin.get("/readyz")
            metrics = admin.get("/metrics")
            assert admin.post("/v1/events", json=EVENT).status_code == 404

    assert ready.status_code == 200
    assert ready.json()["state"] == "running"
    assert ready.json()["spool_bytes"] is not None
    assert [(stream["service_name"], stream["waiting"]) for stream in ready.json()["streams"]] == [("payments", 0)]
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    lines = metrics.text.splitlines()
    assert 'audit_gateway_requests_total{route="/v1/events",status="202"} 1.0' in lines
    assert 'audit_gateway_refused_total{reason="quota"} 0.0' in lines
    assert "audit_gateway_identities 2.0" in lines
    assert any(line.startswith("audit_events_processed_total") for line in lines)
    assert '"ada"' not in metrics.text + ready.text


def test_a_gateway_that_cannot_keep_events_says_so(keys: KeyFiles, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        kafka = contextlib.ExitStack()
        brokers = kafka.enter_context(EmbeddedKafka(partitions=1)).bootstrap_servers
        stack.callback(kafka.close)
        site = GatewaySite(brokers, tmp_path, keys, audit="kafka_timeout_ms = 2000")
        lines = site.config.read_text().splitlines(keepends=True)
        # Without a spool and without a fallback store nothing is safe once Kafka is away.
        site.config.write_text("".join(line for line in lines if not line.startswith("spool_path")))
        served = stack.enter_context(site.serve("--timeout", "1", *site.files.options()))
        client = stack.enter_context(site.client(served))
        admin = stack.enter_context(httpx.Client(base_url=served.admin, timeout=_PATIENCE))
        assert admin.get("/readyz").status_code == 200
        kafka.close()
        post(client)
        until(lambda: admin.get("/readyz").status_code == 503, state=served.errors)
        reasons = admin.get("/readyz").json()["reasons"]
        elsewhere = client.get("/readyz")
        alive = client.get("/healthz")

    assert [reason["code"] for reason in reasons] == ["nowhere_safe"]
    assert (elsewhere.status_code, elsewhere.json()) == (503, {"ready": False})
    assert alive.status_code == 200


def forwarded(pair: Pair) -> str:
    certificate = x509.load_pem_x509_certificates(pair.certificate.read_bytes())[0]
    return f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def test_a_listed_proxy_passes_certificate_and_address_on(gateway_site: GatewaySite) -> None:
    files = gateway_site.files
    config = gateway_site.config
    config.write_text(
        config.read_text().replace(
            "[gateway_config]", '[gateway_config]\ntrusted_proxies = ["127.0.0.1"]\nforwarded_certificates = true'
        )
    )
    options = ("--listen", "http://127.0.0.1:0", "--identities", str(files.identities))
    shown = {"Client-Cert": forwarded(files.payments), "X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
    with gateway_site.serve(*options) as served, httpx.Client(base_url=served.url, timeout=_PATIENCE) as proxy:
        assert post(proxy, **shown) == 202
        assert post(proxy, **shown | {"Authorization": "Bearer " + "x" * 40}) == 401
        assert served.end() == 0

    events = gateway_site.tail()
    assert [event["service_name"] for event in events if event["event_type"] == "order.paid"] == ["payments"]
    denied = [event["ip_address"] for event in events if event["event_type"] == "telemetry.gateway_denied"]
    assert denied == ["203.0.113.7"]


def test_nobody_else_passes_anything_on(files: GatewayFiles, tmp_path: Path) -> None:
    config = local_config(
        tmp_path, '[gateway_config]\ntrusted_proxies = ["203.0.113.1"]\nforwarded_certificates = true\n'
    )
    options = ("--listen", "http://127.0.0.1:0", "--identities", str(files.identities))
    with (
        Served(config, tmp_path, *options) as served,
        httpx.Client(base_url=served.url, timeout=_PATIENCE) as client,
    ):
        assert post(client, **{"Client-Cert": forwarded(files.payments), "X-Forwarded-For": "203.0.113.1"}) == 401
