"""L sets environment variables, profiles or the verifier's state: what a configuration refuses comes about all the same."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from telemetry.config import EncryptionConfig, StorageConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import TelemetryError
from telemetry.format.value.message import context_of
from telemetry.reader.verify.state import VerifierState
from telemetry.storage import StorageProviderFactory
from tests.attacks.forge import TOPIC, give_away
from tests.attacks.site import Site
from tests.support.in_process import run


class Listener:
    """A server without TLS that remembers whether anything was sent to it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests = 0
        self._thread = threading.Thread(target=self._serve, name="attacker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server."""
        self._socket.close()
        self._thread.join(60)

    def _serve(self) -> None:
        # accept() returns with an error as soon as the socket is closed.
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.requests += bool(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener._socket.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "profile"])
def test_data_key_is_never_asked_for_without_tls(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    if variable == "profile":
        profile = tmp_path / "aws"
        profile.write_text(f"[default]\nservices = here\n[services here]\nkms =\n  endpoint_url = {listener.url}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    else:
        monkeypatch.setenv(variable, listener.url)
    config = EncryptionConfig(
        provider="aws_kms",
        kms_key_id="11111111-2222-3333-4444-555555555555",
        aws_region="eu-central-1",
        aws_access_key_id="test-access-key",
        aws_secret_access_key="test-secret-key",  # type: ignore[arg-type]
        max_retries=0,
        timeout_ms=2_000,
    )

    with EncryptionProviderFactory.create(config) as provider, pytest.raises(TelemetryError):
        provider.generate_data_key(context_of("/production/payments"))

    assert listener.requests == 0


def test_read_without_a_record_is_not_possible(site: Site) -> None:
    site.log(["login"] * 3)
    site.file.write_text(site.file.read_text().replace('read_audit = "off"', 'read_audit = "required"'))

    ended = run("tail", "-c", str(site.file), environment={"TELEMETRY_AUDIT_CONFIG__READ_AUDIT": "off"})

    recorded = [record for record in site.records() if b'"telemetry.read"' in (record.value or b"")]
    assert recorded or not ended.out


def test_forged_state_skips_no_record(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "state"
    with site.rewritten(()) as other:
        other.log(["login"] * 30)
        assert other.verify("--state", str(path)).code == 0
        records = other.records()
    # A record is missing on the topic, and the state says that it was verified before.
    site.put([record for record in records if b'"sequence":7,' not in (record.value or b"")])
    ends = dict.fromkeys(range(4), 0)
    for record in site.records():
        ends[record.place.partition or 0] = record.place.offset + 1
    state = VerifierState.load(path)
    assert state is not None
    msgspec.structs.replace(state, positions={TOPIC: ends}).save(path)
    give_away(path)

    ended = site.run("verify", "--public-key", site.keys.public_key, "--state", str(path), "--continue")

    assert ended.code not in (0, 1)
    assert str(path) in ended.err


def test_stored_object_never_leaves_without_tls(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", listener.url)
    config = StorageConfig(
        provider="azure_blob",
        account_name="account",
        container_name="container",
        azure_account_key="eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4",  # type: ignore[arg-type]
        max_retries=0,
        timeout_ms=2_000,
    )

    with pytest.raises(TelemetryError), StorageProviderFactory.create(config) as store:
        store.put("object", b"content")

    assert listener.requests == 0
