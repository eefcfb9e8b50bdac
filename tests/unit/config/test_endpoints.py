"""Endpoints without TLS, half-given credentials and certificate files without certificates stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from telemetry.config import EncryptionConfig
from telemetry.config.endpoints import (
    checked_url,
    is_this_machine,
    read_certificates,
    require_certificates,
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
