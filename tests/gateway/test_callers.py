"""Callers as they come: certificates, tokens, users of the machine; and those who may not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import pytest

from telemetry.gateway.identities.token import digest_of, new_token
from tests.support.gateway.credentials import GatewayFiles, identity, token_entry
from tests.support.gateway.gateway_site import EVENT, GatewaySite, client_of, post, refused_by_tls, ssl_context
from tests.support.gateway.served import Served, local_config


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    return GatewayFiles(tmp_path)


def test_events_are_logged_under_the_name_of_the_caller(gateway_site: GatewaySite) -> None:
    files = gateway_site.files
    with gateway_site.serve(*files.options(client_certificates="optional")) as served:
        with gateway_site.client(served) as payments, client_of(served.url, files, None) as orders:
            answers = [
                payments.post("/v1/events", json=EVENT, headers={"Prefer": "wait=delivered"}),
                orders.post("/v1/events", json=EVENT, headers={"Authorization": f"Bearer {files.token}"}),
            ]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert served.end() == 0, served.errors()

    logged = {event["service_name"]: event for event in gateway_site.tail() if event["event_type"] == "order.paid"}
    assert set(logged) == {"payments", "orders"}
    assert logged["payments"]["id"] == answers[0].json()["events"][0]["id"]


def test_denied_calls_are_events_of_the_gateway(gateway_site: GatewaySite) -> None:
    files, wrong = gateway_site.files, new_token()
    mesh = files.authority.issue("mesh", "mesh.example")
    with gateway_site.serve(*files.options(client_certificates="optional")) as served:
        with client_of(served.url, files, None) as nobody, client_of(served.url, files, mesh) as other:
            for _ in range(5):
                assert post(nobody, Authorization=f"Bearer {wrong}") == 401
            assert post(nobody) == 401
            assert post(other) == 403
        with gateway_site.client(served) as payments:
            assert payments.post("/v1/events", content=b"{canary").status_code == 422
        assert served.end() == 0

    events = [event for event in gateway_site.tail() if event["event_type"].startswith("telemetry.gateway_")]
    assert {event["service_name"] for event in events} == {"gateway"}
    found = {
        (event["payload"]["reason"], event["user_id"], event["ip_address"]): event["payload"]["count"]
        for event in reversed(events)
        if event["event_type"] == "telemetry.gateway_denied"
    }
    counted: dict[str, int] = {}
    for event in events:
        counted[event["payload"]["reason"]] = counted.get(event["payload"]["reason"], 0) + event["payload"]["count"]
    assert set(found) == {
        ("unknown_token", f"token:{digest_of(wrong).hex()[:12]}", "127.0.0.1"),
        ("no_credentials", "unknown", "127.0.0.1"),
        ("unknown_certificate", "mesh.example", "127.0.0.1"),
    }
    assert counted == {"unknown_token": 5, "no_credentials": 1, "unknown_certificate": 1, "unfit": 1}
    assert wrong not in str(events) + served.errors()
    assert "canary" not in str(events) + served.errors()


def test_a_wrong_certificate_gets_no_further_than_tls(files: GatewayFiles, tmp_path: Path) -> None:
    expired = files.authority.issue("old", "payments.example", expired=True)
    foreign = files.stranger.issue("foreign", "payments.example")
    with Served(local_config(tmp_path), tmp_path, *files.options()) as served:
        assert refused_by_tls(served.url, files, None)
        assert refused_by_tls(served.url, files, expired)
        assert refused_by_tls(served.url, files, foreign)
        with client_of(served.url, files, files.payments) as client:
            assert post(client) == 202
            assert served.end() == 0
        assert "Traceback" not in served.errors()


def test_failed_handshakes_and_rubbish_are_events_too(gateway_site: GatewaySite) -> None:
    files = gateway_site.files
    foreign = files.stranger.issue("foreign", "payments.example")
    with gateway_site.serve() as served:
        for _ in range(3):
            assert refused_by_tls(served.url, files, None)
        assert refused_by_tls(served.url, files, foreign)
        host, _, port = served.url.removeprefix("https://").partition(":")
        socket.create_connection((host, int(port)), timeout=100).close()  # a load balancer looks whether it is there
        raw = socket.create_connection((host, int(port)), timeout=100)
        with ssl_context(files, files.payments.arguments()).wrap_socket(raw, server_hostname="localhost") as line:
            line.sendall(b"canary\r\n\r\n")
            while line.recv(4_096):
                pass
        assert served.end() == 0, served.errors()

    counted: dict[tuple[str, str], int] = {}
    for event in gateway_site.tail():
        place = event["event_type"].removeprefix("telemetry.gateway_"), event["payload"]["reason"]
        counted[place] = counted.get(place, 0) + event["payload"]["count"]
        assert event["ip_address"] == "127.0.0.1"
    assert counted == {
        ("denied", "no_certificate"): 3,
        ("denied", "bad_certificate"): 1,
        ("malformed", "not_http"): 1,
    }


def test_names_come_from_the_alternative_name_first(files: GatewayFiles, tmp_path: Path) -> None:
    by_common_name = files.authority.issue("cn", common_name="payments.example")
    disguised = files.authority.issue("disguised", "mallory.example", common_name="payments.example")
    with Served(local_config(tmp_path), tmp_path, *files.options()) as served:
        for pair, status in ((by_common_name, 202), (disguised, 403)):
            with client_of(served.url, files, pair) as client:
                assert post(client) == status


def test_tokens_expire_and_no_header_from_outside_is_believed(files: GatewayFiles, tmp_path: Path) -> None:
    old = new_token()
    files.write(
        identity("orders", tokens=[token_entry(files.token), token_entry(old, "2020-01-01T00:00:00Z")]),
        identity("payments", certificates=["payments.example"]),
    )
    with (
        Served(local_config(tmp_path), tmp_path, *files.options(client_certificates="optional")) as served,
        client_of(served.url, files, None) as client,
    ):
        assert post(client, Authorization=f"Bearer {files.token}") == 202
        assert post(client, Authorization=f"bearer {files.token}") == 202
        assert post(client, Authorization=f"Bearer {old}") == 401
        assert post(client, Authorization=files.token) == 400
        assert post(client, **{"Client-Cert": ":AAAA:", "X-Forwarded-For": "10.0.0.1"}) == 401
        assert client.get("/v1/nothing").status_code == 401
        assert client.get("/metrics").status_code == 401
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"ready": True}


def test_a_quota_is_answered_with_a_time(files: GatewayFiles, tmp_path: Path) -> None:
    files.write(identity("payments", certificates=["payments.example"], max_events_per_second="0.01"))
    with (
        Served(local_config(tmp_path), tmp_path, *files.options()) as served,
        client_of(served.url, files, files.payments) as client,
    ):
        assert post(client) == 202
        answer = client.post("/v1/events", json=EVENT)

    assert answer.status_code == 429
    assert 90 <= int(answer.headers["retry-after"]) <= 100
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_user_of_the_machine_is_known_on_a_unix_socket(files: GatewayFiles, tmp_path: Path) -> None:
    files.write(identity("shop", uids=f"[{os.getuid()}]"), identity("orders", tokens=[token_entry(files.token)]))
    path = tmp_path / "gateway.sock"
    with (
        Served(
            local_config(tmp_path), tmp_path, "--listen", f"unix:{path}", "--identities", str(files.identities)
        ) as served,
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://gateway") as client,
    ):
        assert post(client) == 202
        assert post(client, Authorization=f"Bearer {files.token}") == 403
        files.write(identity("shop", uids="[12345]"))
        served.reload("identities were reloaded")
        assert post(client) == 403
        client.close()
        assert served.end() == 0
        assert not path.exists()


def test_a_second_gateway_leaves_the_socket_alone(files: GatewayFiles, tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    options = ("--listen", f"unix:{path}", "--identities", str(files.identities))
    with Served(local_config(tmp_path), tmp_path, *options) as first:
        with Served(local_config(tmp_path), tmp_path, *options, wait=False) as second:
            assert second.process.wait(100) == 2
            assert "is in use" in second.errors()
        first.process.kill()
        first.process.wait(100)
    with Served(local_config(tmp_path), tmp_path, *options) as third:
        assert third.end() == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--listen", "http://0.0.0.0:0"), "would show tokens and events to the network"),
        (("--listen", "https://127.0.0.1:0"), "tls_certificate"),
        (("--listen", "nowhere"), "is not an address"),
        ((), "is empty"),
        (("--listen", "http://127.0.0.1:0", "--identities", "absent.toml"), "cannot be read"),
        (("--listen", "http://127.0.0.1:0", "--trusted-proxy", "proxy.example"), "no address"),
        (("--listen", "https://127.0.0.1:0", "--client-certificates", "never"), "client_certificates"),
    ],
    ids=("plain", "no_certificate", "no_address", "nothing", "no_identities", "proxy", "word"),
)
def test_a_wrong_configuration_is_said_at_once(tmp_path: Path, options: tuple[str, ...], named: str) -> None:
    with Served(local_config(tmp_path), tmp_path, *options, wait=False) as served:
        assert served.process.wait(100) == 2
        assert named in " ".join(served.errors().split())
        assert "Traceback" not in served.errors()
