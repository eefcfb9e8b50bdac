"""The alerts of the gateway, on what a real ``telemetry serve`` shows on its admin address."""

from __future__ import annotations

import datetime as dt
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.alert_rules import RuleCheck
from tests.support.gateway.credentials import GatewayFiles, Pair, identity, token_entry
from tests.support.gateway.served import Served, local_config
from tests.support.scraping import Series, series_of
from tests.support.until import until

GATEWAY = {"job": "shop"}
_UNUSED_TOKEN = "tgw_" + "A" * 43
_SHARED = """
[audit_config.shared_streams]
"""
_WITH_KEY = """\
service_name = "gateway"
environment = "test"

[audit_config]
kafka_brokers = "127.0.0.1:9"
security_protocol = "PLAINTEXT"
kafka_timeout_ms = 100
max_retries = 0
data_key_max_uses = 1
data_key_wait_ms = 100

[audit_config.shared_streams]

[audit_config.storage_config]
provider = "local_file"
base_path = "{folder}/fallback"

[audit_config.encryption_config]
provider = "local_key"
key_path = "{folder}/audit.key"
passphrase = "correct horse battery staple"
pbkdf2_iterations = 600000
"""
_EVENT = {"event_type": "login", "user_id": "ada", "payload": {}}


class Caller:
    """Calls a gateway with a token.

    Args:
        served: The gateway.
        files: Its authorities and tokens.
    """

    def __init__(self, served: Served, files: GatewayFiles) -> None:
        trusted = ssl.create_default_context(cafile=files.authority.file)
        self._client = httpx.Client(verify=trusted, base_url=served.url, timeout=60)
        self._admin = served.admin

    def log(self, token: str, *, events: int = 1) -> int:
        """Log events, and return the status."""
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.post("/v1/events", json=[_EVENT] * events, headers=headers).status_code

    def export(self, token: str, name: str) -> int:
        """Export a log record of OTLP, and return how many were refused."""
        record = {"eventName": name, "timeUnixNano": "1767225600000000000"}
        request = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        answer = self._client.post("/v1/logs", json=request, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return int(answer.json().get("partialSuccess", {}).get("rejectedLogRecords", 0))

    def scrape(self) -> Series:
        """Return what the admin address shows, as Prometheus has it."""
        return series_of(httpx.get(f"{self._admin}/metrics", timeout=60).text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _shared(folder: Path) -> Path:
    file = local_config(folder)
    file.write_text(file.read_text() + _SHARED)
    return file


@pytest.fixture
def check(promtool: Path, tmp_path: Path) -> RuleCheck:
    return RuleCheck(promtool, tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    found = GatewayFiles(tmp_path)
    found.write(identity("orders", tokens=[token_entry(found.token)], max_events_per_second="1"))
    return found


@pytest.fixture
def served(files: GatewayFiles, tmp_path: Path) -> Iterator[Served]:
    with Served(_shared(tmp_path), tmp_path, *files.options(client_certificates="optional")) as found:
        yield found
        assert found.end() == 0


@pytest.fixture
def caller(served: Served, files: GatewayFiles) -> Iterator[Caller]:
    found = Caller(served, files)
    yield found
    found.close()


def test_a_gateway_at_peace_alerts_nobody(check: RuleCheck, caller: Caller, files: GatewayFiles) -> None:
    first = caller.scrape()
    assert caller.log(files.token) == 202
    check.fires([(0, first), (5, caller.scrape())], at=20)


def test_callers_over_their_quota(check: RuleCheck, caller: Caller, files: GatewayFiles) -> None:
    caller.log(files.token)
    scrapes = [(0, caller.scrape())]
    for minute in range(1, 12):
        until(lambda: caller.log(files.token, events=1) == 429, what="a request over the quota")
        scrapes.append((minute, caller.scrape()))

    check.fires(scrapes, ("AuditGatewayOverloaded", GATEWAY), at=11)
    check.fires(scrapes[:3], at=3)


def test_calls_that_are_denied(check: RuleCheck, caller: Caller) -> None:
    first = caller.scrape()
    assert {caller.log(_UNUSED_TOKEN) for _ in range(12)} == {401}

    check.fires(
        [(0, first), (1, first), (2, caller.scrape())],
        ("AuditGatewayDenied", {**GATEWAY, "reason": "unknown_token"}),
        at=5,
    )


def test_records_that_cannot_be_events(check: RuleCheck, caller: Caller, files: GatewayFiles) -> None:
    first = caller.scrape()
    assert caller.export(files.token, "n" * 5_000) == 1

    fired = ("AuditGatewayRecordsRefused", {**GATEWAY, "reason": "malformed"})
    check.fires([(0, first), (1, first), (2, caller.scrape())], fired, at=5)


def test_identities_that_cannot_be_used(check: RuleCheck, caller: Caller, served: Served, files: GatewayFiles) -> None:
    first = caller.scrape()
    files.write("[[identity]]\nservise = 'orders'\n")
    os.kill(served.process.pid, signal.SIGHUP)
    until(lambda: "were not reloaded" in served.errors(), what="the refused file")
    second = caller.scrape()
    assert caller.log(files.token) == 202, "the former identities are in force"

    check.fires([(0, first), (2, second)], ("AuditGatewayFilesRefused", GATEWAY), at=5)


def test_certificate_that_ends_soon(check: RuleCheck, files: GatewayFiles, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=dt.datetime.now(dt.UTC) + dt.timedelta(days=2))
    pair = Pair(tmp_path / "short.crt", tmp_path / "short.key")
    pair.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    pair.key.write_bytes(issued.private_key_pem.bytes())
    pair.key.chmod(0o600)
    files.server = pair
    with Served(_shared(tmp_path), tmp_path, *files.options(client_certificates="optional")) as served:
        series = series_of(httpx.get(f"{served.admin}/metrics", timeout=60).text)
        assert served.end() == 0

    check.fires([(0, series)], ("AuditGatewayCertificateExpires", GATEWAY), at=5)


def test_key_service_that_is_away(check: RuleCheck, files: GatewayFiles, tmp_path: Path) -> None:
    files.write(identity("orders", tokens=[token_entry(files.token)]))
    config = tmp_path / "keyed.toml"
    config.write_text(_WITH_KEY.format(folder=tmp_path))
    config.chmod(0o600)
    with Served(config, tmp_path, *files.options(client_certificates="optional")) as served:
        caller = Caller(served, files)
        assert caller.log(files.token) == 202
        first = caller.scrape()
        (tmp_path / "audit.key").rename(tmp_path / "away.key")
        scrapes = [(0, first)]
        for minute in range(1, 8):
            until(lambda: caller.log(files.token) == 503, what="a request without a key")
            scrapes.append((minute, caller.scrape()))
        caller.close()
        served.end()

    fired = [("AuditGatewayUnavailable", GATEWAY), ("AuditDataKeyOverdue", {**GATEWAY, "topic": "audit-events"})]
    refused = ("AuditRefused", {**GATEWAY, "error": "KeyNotFoundError"})
    check.fires(scrapes, *fired, refused, at=7)
