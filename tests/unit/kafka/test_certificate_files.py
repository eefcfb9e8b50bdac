from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from telemetry.config import KafkaConfig
from telemetry.kafka.certificate_files import CHECK_SECONDS, CertificateFiles
from tests.services.certificates import Certificates, create_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return create_certificates(tmp_path_factory.mktemp("certificates"))


class _Files:
    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self._certificates = certificates
        self.certificate, self.key = folder / "client.pem", folder / "client.key"
        self.put("payments")
        self.now = 0.0
        config = KafkaConfig(
            ssl_ca_location=certificates.ca,
            ssl_certificate_location=self.certificate,
            ssl_key_location=self.key,
        )
        self.watched = CertificateFiles(config, clock=lambda: self.now)

    def put(self, client: str, *, key: bool = True, certificate: bool = True) -> None:
        own = self._certificates.clients[client]
        if certificate:
            shutil.copyfile(own.certificate, self.certificate)
        if key:
            shutil.copyfile(own.key, self.key)

    def version(self) -> bytes:
        self.now += CHECK_SECONDS
        return self.watched.version()


@pytest.fixture
def files(tmp_path: Path, certificates: Certificates) -> _Files:
    return _Files(tmp_path, certificates)


def test_version_changes_with_content_only(files: _Files) -> None:
    first = files.version()
    os.utime(files.certificate)
    files.put("payments")
    assert files.version() == first

    files.put("stranger")

    assert files.version() != first


def test_mismatched_key_and_certificate_are_not_used(files: _Files, caplog: pytest.LogCaptureFixture) -> None:
    first = files.version()
    files.put("stranger", key=False)

    assert [files.version() for _ in range(5)] == [first] * 5
    assert sum("cannot be used yet" in record.getMessage() for record in caplog.records) == 1

    files.put("stranger", certificate=False)
    assert files.version() != first


def test_file_missing_for_a_moment_changes_nothing(files: _Files) -> None:
    first = files.version()
    files.key.unlink()
    assert files.version() == first

    files.put("payments")

    assert files.version() == first


def test_changed_link_is_detected(files: _Files, certificates: Certificates) -> None:
    """Secrets of an orchestrator are links that are switched at once."""
    first = files.version()
    other = certificates.clients["stranger"]
    for path, target in ((files.certificate, other.certificate), (files.key, other.key)):
        path.unlink()
        path.symlink_to(target)

    assert files.version() != first


def test_files_are_checked_every_two_seconds(files: _Files) -> None:
    first = files.version()
    files.put("stranger")

    assert files.watched.version() == first
    files.now += CHECK_SECONDS
    assert files.watched.version() != first


def test_configuration_without_files_never_changes() -> None:
    watched = CertificateFiles(None)

    assert watched.version() == watched.version()
