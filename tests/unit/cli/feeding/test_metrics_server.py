from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider

from telemetry.cli.feeding.metrics_server import MetricsServer
from telemetry.exceptions import ConfigurationError

ANYWHERE = "http://127.0.0.1:0"
_PATIENCE = 60.0


@pytest.fixture(autouse=True)
def own_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process sets its meter provider once; here each test does."""
    providers: list[MeterProvider] = []
    monkeypatch.setattr(metrics, "set_meter_provider", providers.append)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: providers[-1])
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def answer(server: MetricsServer, path: str) -> httpx.Response:
    return httpx.get(f"{server.address}{path}", timeout=_PATIENCE)


def test_metrics_and_health_are_answered_until_the_end() -> None:
    with MetricsServer(ANYWHERE, service="shop") as server:
        metrics.get_meter_provider().get_meter("telemetry").create_counter("audit.tried_total").add(3)
        shown = answer(server, "/metrics")
        assert answer(server, "/healthz").json() == {"status": "ok"}
        assert answer(server, "/readyz").status_code == 404
        assert httpx.post(f"{server.address}/metrics", timeout=_PATIENCE).status_code == 405

    assert shown.headers["content-type"].startswith("text/plain; version=")
    assert "audit_tried_total 3.0" in shown.text.splitlines()
    assert 'service_name="shop"' in shown.text
    with pytest.raises(httpx.ConnectError):
        answer(server, "/metrics")


def test_rubbish_and_open_connections_hinder_nobody() -> None:
    with MetricsServer(ANYWHERE, service="shop") as server:
        with socket.create_connection(("127.0.0.1", server.address.port), _PATIENCE) as rubbish:
            rubbish.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            assert rubbish.recv(100).startswith(b"HTTP/1.1 400")
        silent = socket.create_connection(("127.0.0.1", server.address.port), _PATIENCE)
        assert answer(server, "/healthz").status_code == 200
    with silent:
        assert silent.recv(1) == b""


def test_end_before_the_first_answer() -> None:
    with MetricsServer(ANYWHERE, service="shop"):
        pass


def test_address_in_use_says_what_to_do() -> None:
    with (
        MetricsServer(ANYWHERE, service="shop") as server,
        pytest.raises(ConfigurationError, match=r"cannot be listened on: .*choose another address"),
    ):
        MetricsServer(str(server.address), service="shop")


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1:9465", "http://ada:hunter2@127.0.0.1:1", "9465", "unix:here", ""]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--metrics-listen.*write http://127\.0\.0\.1:9465") as refused:
        MetricsServer(address, service="shop")
    assert "hunter2" not in str(refused.value)


def test_metrics_that_go_elsewhere_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = NoOpMeterProvider()
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: elsewhere)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(ConfigurationError, match="another meter provider"):
        MetricsServer(address, service="shop")
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, timeout=_PATIENCE)
