"""Runs a gateway with client certificates on a real Kafka, and reads with ``telemetry tail`` what it has logged."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.reader import KafkaSource, RawRecord
from tests.support.gateway.credentials import GatewayFiles
from tests.support.gateway.served import Served
from tests.support.in_process import run

_PASSPHRASE = "correct horse battery staple"


class TrailSite:
    """Configuration, keys and certificates of a gateway.

    Args:
        brokers: Bootstrap servers of Kafka, without TLS.
        topic: Its topic.
        folder: Where everything is.
        spool: Whether it has a spool and a fallback store; without them durable means delivered.
        request_seconds: Time for a request.

    Attributes:
        folder: The same.
        files: Certificates and identities.
    """

    def __init__(self, brokers: str, topic: str, folder: Path, *, spool: bool, request_seconds: float = 30) -> None:
        self.folder = folder
        self.files = GatewayFiles(folder)
        self.config = folder / "telemetry.toml"
        self._public_key = SigningKey.create(folder / "signing", _PASSPHRASE, name="gateway").public_key
        # Without a spool events wait in memory, and are given up after a few of these times: an outage is to be shorter.
        safe = (
            f'spool_path = "{folder}/spool"\nkafka_timeout_ms = 3000\n'
            if spool
            else "fallback_enabled = false\nkafka_timeout_ms = 120000\n"
        )
        store = (
            f'[audit_config.storage_config]\nprovider = "local_file"\nbase_path = "{folder}/store"\n' if spool else ""
        )
        self.config.write_text(
            'service_name = "gateway"\nenvironment = "test"\n\n[audit_config]\n'
            f'kafka_brokers = "{brokers}"\nkafka_topic = "{topic}"\nsecurity_protocol = "PLAINTEXT"\n'
            f'batch_timeout_ms = 5\nfallback_object_seconds = 0.2\nread_audit = "off"\n{safe}'
            "[audit_config.shared_streams]\n"
            f'[audit_config.encryption_config]\nprovider = "local_key"\nkey_path = "{folder}/key"\n'
            f'passphrase = "{_PASSPHRASE}"\n'
            f'[audit_config.signing_config]\nkey_path = "{folder}/signing"\npassphrase = "{_PASSPHRASE}"\n{store}'
            f"[gateway_config.limits]\nrequest_seconds = {request_seconds}\n"
        )
        self.config.chmod(0o600)

    def serve(self, *options: str) -> Served:
        """Start the gateway."""
        return Served(self.config, self.folder, *self.files.options(), *options)

    def variables(self, url: str) -> dict[str, str]:
        """Return the environment of a client that calls as the service ``payments``."""
        return {
            "GATEWAY": url,
            "GATEWAY_CA": str(self.files.authority.file),
            "GATEWAY_CERTIFICATE": str(self.files.payments.certificate),
            "GATEWAY_KEY": str(self.files.payments.key),
        }

    def tail(self) -> list[dict[str, Any]]:
        """Return the events that ``telemetry tail`` shows of callers."""
        shown = run("tail", "-c", str(self.config), "--json", "--last", "100000", environment={})
        assert shown.code == 0, shown.err
        events = [json.loads(line) for line in shown.out.splitlines()]
        return [event for event in events if not event["event_type"].startswith("telemetry.")]

    def verify(self) -> tuple[int, str]:
        """Return exit code and output of ``telemetry verify``, for which a trust file lists the gateway and its callers."""
        trust = self.folder / "trust.toml"
        trust.unlink(missing_ok=True)
        keys = ("--gateway", "/test/gateway", self._public_key)
        made = run("trust", "init", "--source", "/test/payments", *keys, "--out", str(trust))
        assert made.code == 0, made.err
        shown = run("verify", "-c", str(self.config), "--json", "--trust", str(trust), environment={})
        return shown.code, shown.out.decode() + shown.err

    def records(self) -> list[RawRecord]:
        """Return the records of events on the topic, repeats included."""
        with KafkaSource(TelemetryConfig.load(self.config).audit_config) as source:
            return [record for record in source if isinstance(record, RawRecord) and record.key is not None]


def requests_answered(served: Served, route: str) -> int:
    """Return how many requests of a route a gateway has answered."""
    text = httpx.get(f"{served.admin}/metrics", timeout=60).text
    found: Sequence[str] = re.findall(
        rf'^audit_gateway_requests_total{{[^}}]*route="{re.escape(route)}"[^}}]*}} ([0-9.e+]+)$', text, re.MULTILINE
    )
    return sum(int(float(count)) for count in found)
