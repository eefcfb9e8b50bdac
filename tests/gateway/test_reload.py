"""Certificates, authorities and identities change while the gateway serves."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from telemetry.gateway.identities.token import new_token
from tests.support.gateway.credentials import Authority, GatewayFiles, Pair, identity, token_entry
from tests.support.gateway.gateway_site import EVENT, GatewaySite, client_of, post, refused_by_tls
from tests.support.gateway.served import Served, local_config
from tests.support.until import until


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    return GatewayFiles(tmp_path)


def overwrite(old: Path, new: Path) -> None:
    """Put the content of a file into the place of another one."""
    copy = old.with_suffix(".new")
    copy.write_bytes(new.read_bytes())
    copy.chmod(0o600)
    copy.replace(old)


def replace_server(files: GatewayFiles, pair: Pair) -> None:
    overwrite(files.server.certificate, pair.certificate)
    overwrite(files.server.key, pair.key)


def serial(url: str, files: GatewayFiles) -> str:
    """Return the serial number of the certificate that a new connection sees."""
    with client_of(url, files, files.payments) as client:
        stream = client.get("/healthz").extensions["network_stream"]
        found: ssl.SSLObject = stream.get_extra_info("ssl_object")
        return str((found.getpeercert() or {})["serialNumber"])


def _says_close(client: httpx.Client) -> bool:
    return bool(client.post("/v1/events", json=EVENT).headers.get("connection") == "close")


def test_a_new_certificate_is_used_by_new_connections(files: GatewayFiles, tmp_path: Path) -> None:
    with Served(local_config(tmp_path), tmp_path, *files.options()) as served:
        before = serial(served.url, files)
        replace_server(files, files.authority.issue("second", "localhost", "127.0.0.1"))
        served.reload("certificates were reloaded")

        assert serial(served.url, files) != before
        assert served.end() == 0


def test_a_bad_file_keeps_the_good_one(files: GatewayFiles, tmp_path: Path) -> None:
    with Served(local_config(tmp_path), tmp_path, *files.options()) as served:
        before = serial(served.url, files)
        files.server.key.write_text("canary")
        served.reload("certificates were not reloaded")
        files.write(identity("a:b"))
        served.reload("identities were not reloaded")

        assert serial(served.url, files) == before
        with client_of(served.url, files, files.payments) as client:
            assert post(client) == 202
        text = httpx.get(f"{served.admin}/metrics").text
        assert "\naudit_gateway_refused_files 2.0\n" in text
        assert served.end() == 0
        assert "canary" not in served.errors()


def test_a_withdrawn_authority_is_refused(files: GatewayFiles, tmp_path: Path) -> None:
    with (
        Served(local_config(tmp_path), tmp_path, *files.options()) as served,
        client_of(served.url, files, files.payments) as kept,
    ):
        assert post(kept) == 202
        other = Authority(tmp_path, "other")
        overwrite(files.authority.file, other.file)
        served.reload("certificates were reloaded")
        # The connection of the withdrawn certificate ends with an answer soon, and a new one is refused.
        until(lambda: _says_close(kept))
        assert refused_by_tls(served.url, files, files.payments)
        assert served.end() == 0


def test_a_withdrawn_token_is_refused_on_an_open_connection(files: GatewayFiles, tmp_path: Path) -> None:
    with (
        Served(local_config(tmp_path), tmp_path, *files.options(client_certificates="optional")) as served,
        client_of(served.url, files, None) as client,
    ):
        assert post(client, Authorization=f"Bearer {files.token}") == 202
        second = new_token()
        files.write(identity("orders", tokens=[token_entry(second)]))
        served.reload("identities were reloaded")
        assert post(client, Authorization=f"Bearer {files.token}") == 401
        assert post(client, Authorization=f"Bearer {second}") == 202


def test_files_are_looked_at_without_a_signal(files: GatewayFiles, tmp_path: Path) -> None:
    config = local_config(tmp_path, "[gateway_config]\nreload_seconds = 0.1\n")
    with Served(config, tmp_path, *files.options()) as served:
        files.write(identity("orders", certificates=["payments.example"]))
        until(lambda: "identities were reloaded" in served.errors(), state=served.errors)


def test_nothing_fails_while_files_are_reloaded_under_load(gateway_site: GatewaySite) -> None:
    files, enough = gateway_site.files, threading.Event()
    answers: list[dict[str, Any]] = []
    failures: list[str] = []

    def send() -> None:
        with client_of(served.url, files, files.payments) as client:
            while not enough.is_set():
                try:
                    answers.append(client.post("/v1/events", json=EVENT, headers={"Prefer": "wait=durable"}).json())
                except httpx.HTTPError as exc:
                    failures.append(f"{type(exc).__name__}: {exc}")

    with gateway_site.serve() as served:
        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        for number in range(10):
            replace_server(files, files.authority.issue(f"n{number}", "localhost", "127.0.0.1"))
            served.reload("certificates were reloaded")
            before = len(answers)
            until(lambda count=before: len(answers) > count + 5, state=served.errors)  # type: ignore[misc]
        enough.set()
        for sender in senders:
            sender.join()
        assert served.end() == 0, served.errors()

    assert failures == []
    ids = [event["id"] for answer in answers for event in answer["events"]]
    found = [event["id"] for event in gateway_site.tail() if event["event_type"] == "order.paid"]
    assert set(ids) <= set(found)
    assert len(found) == len(set(found))
