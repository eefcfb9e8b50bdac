from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from telemetry.config import GatewayConfig
from telemetry.exceptions import ConfigurationError
from telemetry.gateway.server.tls import TlsFiles
from tests.support.gateway.credentials import GatewayFiles


@pytest.fixture
def files(tmp_path: Path) -> GatewayFiles:
    return GatewayFiles(tmp_path)


def config(files: GatewayFiles, **changes: Any) -> GatewayConfig:
    values = {
        "tls_certificate": files.server.certificate,
        "tls_key": files.server.key,
        "client_ca": files.authority.file,
    }
    return GatewayConfig(**{**values, **changes})


def refused(files: GatewayFiles, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        TlsFiles(config(files, **changes))
    return str(caught.value)


def test_settings_are_strict(files: GatewayFiles) -> None:
    context = TlsFiles(config(files)).context()

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert {cipher["name"].split("-")[0] for cipher in context.get_ciphers()} <= {"TLS_AES", "ECDHE"} | {
        cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.3"
    }
    assert context.options & ssl.OP_NO_TICKET
    assert context.num_tickets == 0


def test_certificates_of_callers_may_be_optional(files: GatewayFiles) -> None:
    assert TlsFiles(config(files, client_certificates="optional")).context().verify_mode is ssl.CERT_OPTIONAL
    without = TlsFiles(config(files, client_certificates="optional", client_ca=None))
    assert without.context().verify_mode is ssl.CERT_NONE


def test_what_is_missing_is_named(files: GatewayFiles, tmp_path: Path) -> None:
    assert "client_ca: is missing" in refused(files, client_ca=None)
    assert "tls_key: is missing" in refused(files, tls_key=None)
    assert "cannot be read" in refused(files, tls_key=tmp_path / "absent")


def test_a_key_of_another_certificate_is_refused(files: GatewayFiles) -> None:
    assert "not a certificate in PEM and its private key" in refused(files, tls_key=files.payments.key)


def test_a_key_with_a_passphrase_is_refused_without_a_question(files: GatewayFiles) -> None:
    key = load_pem_private_key(files.server.key.read_bytes(), None)
    files.server.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )

    assert "without a passphrase" in refused(files)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff" * 10, b"-----BEGIN CERTIFICATE-----\n"], ids=range(4))
def test_a_file_without_authorities_is_refused(files: GatewayFiles, content: bytes) -> None:
    files.authority.file.write_bytes(content)

    assert "client_ca" in refused(files)


def test_a_certificate_that_is_no_authority_is_refused(files: GatewayFiles) -> None:
    assert "no certificate of an authority" in refused(files, client_ca=files.payments.certificate)


def test_a_file_that_others_may_write_is_not_believed(files: GatewayFiles) -> None:
    files.authority.file.chmod(0o666)

    assert "is not believed" in refused(files)


def test_a_key_that_all_may_read_is_warned_about(files: GatewayFiles, caplog: pytest.LogCaptureFixture) -> None:
    files.server.key.chmod(0o644)
    TlsFiles(config(files))

    assert "is a private key and may be read by every user" in caplog.text


def test_a_bad_file_leaves_the_good_settings(files: GatewayFiles) -> None:
    tls = TlsFiles(config(files))
    before, expires = tls.context(), tls.expires_at
    files.server.key.write_text("canary")

    with pytest.raises(ConfigurationError) as caught:
        tls.reload()

    assert "canary" not in str(caught.value)
    assert (tls.context(), tls.expires_at) == (before, expires)
