"""Endpoints without TLS, half-given credentials and certificate files without certificates stop the start."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import (
    TlsRequests,
    checked_url,
    is_this_machine,
    read_certificates,
    require_certificates,
    require_sound_tls,
    require_together,
)
from telemetry.exceptions import ConfigurationError

AWS = EncryptionConfig(provider="aws_kms", kms_key_id="alias/audit")


@pytest.mark.parametrize("url", ["https://kms.example", "https://kms.example/", "https://kms.example:8443/path//"])
def test_https_is_accepted_without_its_last_slash(url: str) -> None:
    assert checked_url(url, field="endpoint_url", allow_http=False) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kms.example",
        "ftp://kms.example",
        "https://",
        "https://user@kms.example",
        "https://user:secret@kms.example",
        "https://kms.example?x=1",
        "https://kms.example#x",
        "https://[::1",
    ],
)
def test_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"section\.endpoint_url: is not a plain URL") as refused:
        checked_url(url, field="section.endpoint_url", allow_http=True)
    assert "secret" not in str(refused.value)


def test_http_is_refused_with_the_callers_reason() -> None:
    with pytest.raises(ConfigurationError, match=r"endpoint_url: would be read \(set allow_http\)"):
        checked_url(
            "http://kms.example",
            field="endpoint_url",
            allow_http=False,
            no_tls="would be read",
            remedy="set allow_http",
        )
    assert checked_url("http://kms.example", field="endpoint_url", allow_http=True) == "http://kms.example"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://127.8.9.10:1", True),
        ("http://[::1]:8080", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1.example", False),
        ("http://[::1", False),
        ("http://", False),
    ],
)
def test_only_loopback_is_this_machine(url: str, expected: bool) -> None:
    assert is_this_machine(url) is expected


def test_half_given_credentials_name_each_absent_field() -> None:
    config = AWS.model_copy(update={"aws_access_key_id": "id"})
    fields = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")

    with pytest.raises(ConfigurationError) as refused:
        require_together(config, *fields, section="encryption_config.")

    assert [problem.field for problem in refused.value.problems] == [
        "encryption_config.aws_secret_access_key",
        "encryption_config.aws_session_token",
    ]


def test_credentials_come_together_or_not() -> None:
    assert not require_together(AWS, "aws_region", "aws_profile")
    config = AWS.model_copy(update={"aws_region": "eu-west-1", "aws_profile": "audit"})
    assert require_together(config, "aws_region", "aws_profile")


def test_certificates_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)

    require_certificates(file, field="ca_path")

    assert read_certificates(file, field="ca_path") == file.read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_file_without_certificates_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(ConfigurationError, match="ca_path: has no certificates in PEM"):
        require_certificates(tmp_path / "ca.pem", field="ca_path")


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigurationError, match="ca_path: cannot be read"):
            require_certificates(path, field="ca_path")
        with pytest.raises(ConfigurationError, match="ca_path: cannot be read"):
            read_certificates(path, field="ca_path")


def test_key_log_of_tls_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require_sound_tls()

    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets.log"))
    with pytest.raises(ConfigurationError, match="SSLKEYLOGFILE: is set"):
        require_sound_tls()


def test_openssl_that_speaks_old_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Weak(ssl.SSLContext):
        minimum_version = ssl.TLSVersion.TLSv1_1
        security_level = 0

    monkeypatch.setattr(ssl, "SSLContext", Weak)

    with pytest.raises(ConfigurationError, match="OPENSSL_CONF: lets this process speak"):
        require_sound_tls()


@pytest.mark.parametrize(
    ("endpoint", "url", "event", "is_sent"),
    [
        (None, "https://kms.eu-central-1.amazonaws.com/", "before-send.kms.Decrypt", True),
        (None, "http://kms.eu-central-1.amazonaws.com/", "before-send.kms.Decrypt", False),
        (None, "http://127.0.0.1:4566/", "before-send.kms.Decrypt", False),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/", "before-send.kms.Decrypt", True),
        ("http://127.0.0.1:4566", "http://127.0.0.1:45/", "before-send.kms.Decrypt", False),
        # The credentials of an emulator come from this machine too, but from no other without TLS.
        (None, "http://127.0.0.1:4566/", "before-send.sts.AssumeRole", True),
        (None, "http://sts.amazonaws.com/", "before-send.sts.AssumeRole", False),
    ],
)
def test_request_without_tls_is_not_sent(endpoint: str | None, url: str, event: str, *, is_sent: bool) -> None:
    class Request:
        def __init__(self, url: str) -> None:
            self.url = url

    guard = TlsRequests(endpoint, service="kms")

    if is_sent:
        guard(request=Request(url), event_name=event)
    else:
        with pytest.raises(ConfigurationError, match="endpoint_url: names http://"):
            guard(request=Request(url), event_name=event)
