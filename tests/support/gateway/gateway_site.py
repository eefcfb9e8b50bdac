"""Runs gateways as processes on a Kafka, with real keys, and reads back what they logged."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx

from tests.attacks.site import KeyFiles
from tests.support.gateway.credentials import GatewayFiles, Pair
from tests.support.gateway.served import Served
from tests.support.in_process import run

EVENT = {"event_type": "order.paid", "payload": {"amount": 7}, "user_id": "ada"}
_PATIENCE = 120.0


class GatewaySite:
    """A gateway's configuration, credentials and trail.

    Args:
        brokers: Addresses of Kafka.
        folder: Folder of everything.
        keys: Key files.
        topic: The topic of the trail.
        audit: More lines of ``audit_config``.
        gateway: Lines of ``gateway_config``.

    Attributes:
        files: Certificates, tokens and identities.
        config: The configuration file of the gateway.
    """

    def __init__(
        self,
        brokers: str,
        folder: Path,
        keys: KeyFiles,
        *,
        topic: str = "audit-events",
        audit: str = "",
        gateway: str = "",
    ) -> None:
        self.folder = folder
        self.files = GatewayFiles(folder)
        self._keys = keys
        kafka = (
            f'[audit_config]\nkafka_brokers = "{brokers}"\nkafka_topic = "{topic}"\nsecurity_protocol = "PLAINTEXT"\n'
        )
        key = "[audit_config.encryption_config]\n" + _lines(keys.encryption)
        self.config = self._write(
            "gateway.toml",
            f'service_name = "gateway"\n{kafka}fallback_enabled = false\nspool_path = "{folder / "spool"}"\n{audit}\n{key}'
            f"[audit_config.signing_config]\n{_lines(keys.signs)}[gateway_config]\n{gateway}\n",
        )
        self._reader = self._write("reader.toml", f'service_name = "auditor"\n{kafka}fallback_enabled = false\n{key}')

    def serve(self, *options: str, wait: bool = True) -> Served:
        """Start a gateway; without options it listens with TLS on a free port."""
        return Served(self.config, self.folder, *(options or self.files.options()), wait=wait)

    def client(self, served: Served, pair: Pair | None = None, **more: Any) -> httpx.Client:
        """Return an HTTP client of the first address, with a certificate of a caller."""
        return client_of(served.url, self.files, pair or self.files.payments, **more)

    def tail(self) -> list[dict[str, Any]]:
        """Return the events of the trail."""
        ended = run("tail", "-c", str(self._reader), "--json")
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]

    def verify(self) -> tuple[int, dict[str, Any]]:
        """Verify the trail with a trust file for this gateway and its callers; return exit code and report."""
        trust = self.folder / "trust.toml"
        trust.unlink(missing_ok=True)
        services = [word for name in ("payments", "orders") for word in ("--source", f"/production/{name}")]
        key = ("--gateway", "/production/gateway", self._keys.public_key)
        made = run("trust", "init", *services, *key, "--out", str(trust))
        assert made.code == 0, made.err
        ended = run("verify", "-c", str(self._reader), "--json", "--trust", str(trust))
        return ended.code, json.loads(ended.out)

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file


def client_of(url: str, files: GatewayFiles, pair: Pair | None, **more: Any) -> httpx.Client:
    """Return an HTTP client that trusts the gateway's authority, and shows a certificate if there is one."""
    cert = None if pair is None else pair.arguments()
    return httpx.Client(base_url=url, verify=ssl_context(files, cert), timeout=_PATIENCE, **more)


def ssl_context(files: GatewayFiles, cert: tuple[str, str] | None) -> ssl.SSLContext:
    """Return the TLS settings of a caller."""
    context = ssl.create_default_context(cafile=str(files.authority.file))
    if cert is not None:
        context.load_cert_chain(*cert)
    return context


def post(client: httpx.Client, **headers: str) -> int:
    """Log an event; return the status of the answer."""
    return client.post("/v1/events", json=EVENT, headers=headers).status_code


def refused_by_tls(url: str, files: GatewayFiles, pair: Pair | None) -> bool:
    """Return whether the TLS layer refuses a caller; TLS 1.3 says so with the first read."""
    try:
        with client_of(url, files, pair) as client:
            client.get("/healthz")
    except (httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError, ssl.SSLError):
        return True
    return False


def _lines(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(str(value))}\n" for name, value in values.items())
