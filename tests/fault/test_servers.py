"""Starts and ends real servers as docs/operations.md says: every event of an answered request is on the topic."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.events_at_rest import in_fallback, on_topic
from tests.support.leftovers import left_in
from tests.support.quick_telemetry import running
from tests.support.servers import PAGE, Server, blocks, commands, lay_out
from tests.support.until import until

_REQUESTS = 60
_EAGER = """
from telemetry import TelemetryConfig
from telemetry.sync import Telemetry

telemetry = Telemetry(TelemetryConfig.load("telemetry.toml"))
telemetry.start()
first = telemetry.audit.log("loaded", {}, user_id="user-123")


def application(environ, start_response):
    receipt = telemetry.audit.log("page_viewed", {"path": environ["PATH_INFO"]}, user_id="user-123")
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = first.producer if environ["PATH_INFO"] == "/first" else receipt.producer
    return [f"{receipt.event_id} {text} {receipt.sequence}\\n".encode()]
"""


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


def _hit(server: Server, count: int = _REQUESTS) -> bool:
    """Make requests from several threads; return whether two processes have answered."""
    threads = [
        threading.Thread(target=lambda: [server.request(f"/{number}") for number in range(count // 4)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return len({entry.producer for entry in server.logged}) == 2


def _assert_on_topic(config: AuditConfig, server: Server) -> None:
    arrived = {value["id"]: (value["producer"], int(value["sequence"])) for value in on_topic(config)}
    assert {entry.event_id: (entry.producer, entry.sequence) for entry in server.logged}.items() <= arrived.items()
    assert len(set(arrived.values())) == len(arrived), "two events have one producer and sequence"


@pytest.mark.parametrize("command", commands("gunicorn"))
def test_gunicorn_is_ended_with_sigterm(command: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    with Server(tmp_path, command) as server:
        # Which worker answers is the system's choice; both must have had a turn.
        until(lambda: _hit(server), what="a second worker")
        assert server.end() == 0, server.output()

    _assert_on_topic(config, server)
    assert len({entry.producer for entry in server.logged}) == 2
    assert left_in(tmp_path / "spool") == []
    assert "without shutdown" not in server.output()


def test_gunicorn_forks_after_the_parent_has_logged(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    (tmp_path / "gunicorn.conf.py").write_text("")
    (tmp_path / "shop_wsgi.py").write_text(_EAGER)
    with Server(tmp_path, commands("gunicorn --preload")[0]) as server:
        parents = server.request("/first").producer
        server.logged.pop()
        _hit(server)
        assert server.end() == 0, server.output()

    _assert_on_topic(config, server)
    assert parents not in {entry.producer for entry in server.logged}
    assert parents in {value["producer"] for value in on_topic(config)}
    assert left_in(tmp_path / "spool") == []
    assert "without shutdown" in server.output()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_uvicorn_is_ended(how: signal.Signals, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    with Server(tmp_path, *commands("uvicorn")) as server:
        _hit(server)
        server.end(how)

    _assert_on_topic(config, server)
    assert "Application shutdown complete" in server.output()
    assert left_in(tmp_path / "spool") == []


@pytest.mark.parametrize("program", ["gunicorn --preload", "uvicorn"])
def test_server_is_ended_while_kafka_is_away(program: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    with Server(tmp_path, commands(program)[0]) as server:
        kafka.stop_brokers()
        _hit(server, 20)
        server.end()
    kept = {value["id"] for value in in_fallback(config)}
    on_the_way = {entry.event_id for entry in server.logged} - kept
    kafka.start_brokers()

    assert on_the_way <= {value["id"] for value in on_topic(config)}
    assert len(kept) >= 20, server.output()


@pytest.mark.parametrize("program", ["gunicorn --preload", "uvicorn"])
def test_server_is_killed_and_started_again(program: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    with (tmp_path / "telemetry.toml").open("r+") as file:
        text = file.read().replace("[audit_config]", '[audit_config]\nwait_for = "durable"', 1)
        file.seek(0)
        file.write(text)
    server = Server(tmp_path, commands(program)[0])
    with server:
        kafka.set_latency(30.0)
        _hit(server, 20)
    kafka.set_latency(0)
    assert left_in(tmp_path / "spool") != []
    with server:
        until(lambda: {entry.event_id for entry in server.logged} <= {value["id"] for value in on_topic(config)})
        server.end()

    _assert_on_topic(config, server)


def test_script_is_ended_with_sigterm(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = lay_out(tmp_path, kafka.bootstrap_servers)
    with Server(tmp_path, *commands("python")) as server:
        until(lambda: on_topic(config), what="the first event")
        assert server.end() == 0, server.output()

    sequences = sorted(int(value["sequence"]) for value in on_topic(config))
    assert sequences == list(range(len(sequences)))
    assert left_in(tmp_path / "spool") == []
    assert "without shutdown" not in server.output()


def test_no_signal_handler_is_installed(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    config = AuditConfig(
        kafka_brokers=kafka.bootstrap_servers,
        security_protocol="PLAINTEXT",
        encryption_config={"provider": "local_key", "key_path": tmp_path / "key", "passphrase": "correct horse"},  # type: ignore[arg-type]
        storage_config={"provider": "local_file", "base_path": tmp_path / "fallback"},  # type: ignore[arg-type]
        spool_path=tmp_path / "spool",
    )
    with running(config) as telemetry:
        telemetry.audit.log("login", {}, "ada").wait_delivered(60)
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before

    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_every_documented_command_is_run() -> None:
    run = {*commands("gunicorn"), *commands("uvicorn"), *commands("python")}

    assert {line for block in blocks("sh") for line in block.splitlines()} == run
    assert len(commands("gunicorn")) == 3
    assert PAGE.read_text("utf-8").count("```python") == len(blocks("python"))
