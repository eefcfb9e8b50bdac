from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import KafkaConfig
from telemetry.kafka.diagnose.diagnosis import DiagnosedError, Kind
from telemetry.kafka.diagnose.identity import TlsIdentity
from tests.services.certificates import KEY_PASSWORD, Certificates, create_certificates
from tests.support.kafka_configs import identity


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return create_certificates(tmp_path_factory.mktemp("certificates"))


def _load(fields: dict[str, Any]) -> TlsIdentity:
    return TlsIdentity.load(KafkaConfig(**fields))


def _refused(fields: dict[str, Any]) -> str:
    with pytest.raises(DiagnosedError) as caught:
        _load(fields)
    assert caught.value.diagnosis.kind is Kind.UNUSABLE_CERTIFICATE
    assert KEY_PASSWORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["files", "text", "encrypted text", "keystore", "encrypted key"])
def test_every_form_loads_one_certificate(form: str, certificates: Certificates) -> None:
    certificate = _load(identity(certificates, form)).certificate

    assert certificate is not None
    assert certificate.subject.rfc4514_string().startswith("CN=payments")


def test_anonymous_client_has_no_validity(certificates: Certificates) -> None:
    loaded = _load(identity(certificates, "none"))

    assert (loaded.certificate, loaded.validity) == (None, None)


def test_expired_certificate_still_loads(certificates: Certificates) -> None:
    """The broker decides; the diagnosis needs the dates."""
    validity = _load(identity(certificates, "files", client="expired")).validity

    assert validity is not None
    assert validity[1].year == 2020


def test_no_configuration_trusts_the_system() -> None:
    assert TlsIdentity.load(None).certificate is None


def test_needless_password_is_ignored(certificates: Certificates) -> None:
    fields = identity(certificates, "files") | {"ssl_key_password": "superfluous"}

    assert _load(fields).certificate is not None


@pytest.mark.parametrize(
    ("form", "changes", "text"),
    [
        ("encrypted key", {"ssl_key_password": "wrong"}, "another ssl_key_password"),
        ("encrypted key", {"ssl_key_password": None}, "another ssl_key_password"),
        ("keystore", {"ssl_key_password": "wrong"}, "cannot be opened with ssl_key_password"),
        ("files", {"ssl_key_location": None}, "without its private key"),
        ("text", {"ssl_certificate_pem": "no certificate"}, "is not in PEM format"),
        ("text", {"ssl_ca_pem": "no certificate"}, "kafka_config.ssl_ca_pem does not contain certificates"),
    ],
)
def test_unusable_part_is_named(form: str, changes: dict[str, Any], text: str, certificates: Certificates) -> None:
    assert text in _refused(identity(certificates, form) | changes)


def test_key_of_another_certificate_is_named(certificates: Certificates) -> None:
    fields = identity(certificates, "files") | {"ssl_key_location": certificates.clients["stranger"].key}

    assert "does not belong to the client certificate" in _refused(fields)


def test_missing_file_is_named(certificates: Certificates, tmp_path: Path) -> None:
    fields = identity(certificates, "files") | {"ssl_key_location": tmp_path / "absent.key"}

    assert "absent.key cannot be read" in _refused(fields)


def test_no_key_stays_on_disk(certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's TLS reads keys from files only: the copy is encrypted and removed, also when it does not fit."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _load(identity(certificates, "files"))
    _refused(identity(certificates, "files") | {"ssl_key_location": certificates.clients["stranger"].key})

    assert list(tmp_path.iterdir()) == []
