from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import SubjectKeysConfig
from telemetry.doctor.report import Status
from telemetry.doctor.subjects import subject_results
from telemetry.types import AuditConfig, EncryptionConfig, TelemetryConfig
from tests.support.subject_stores import SOURCE, SubjectSite, local_provider


@pytest.fixture
def site(tmp_path: Path) -> SubjectSite:
    return SubjectSite.in_sqlite(tmp_path)


def _config(folder: Path, subject_keys: SubjectKeysConfig | None) -> TelemetryConfig:
    audit = AuditConfig(
        kafka_brokers="127.0.0.1:9",
        fallback_enabled=False,
        key_mode="hmac",
        key_hmac_secret=SecretStr("k" * 32),
        encryption_config=EncryptionConfig(
            provider="local_key", key_path=folder / "audit.key", passphrase=SecretStr("a passphrase of a test")
        ),
        subject_keys=subject_keys,
    )
    return TelemetryConfig(service_name="shop", audit_config=audit)


def test_configuration_without_subjects_has_no_result(tmp_path: Path) -> None:
    assert list(subject_results(_config(tmp_path, None))) == []


def test_used_store_opens(tmp_path: Path, site: SubjectSite) -> None:
    with local_provider(tmp_path) as provider, closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request(["alice"]).result(60)
        store, subjects = subject_results(_config(tmp_path, site.config))

    assert (store.status, subjects.status) == (Status.OK, Status.OK)
    assert "its store key opens" in store.message
    assert subjects.message == "1 subjects, 0 forgotten, 0 held; 1 processes have leases"


def test_waiting_destruction_is_a_warning(tmp_path: Path, site: SubjectSite) -> None:
    with local_provider(tmp_path) as provider, site.open() as store:
        with closing(site.keyring(provider)) as keyring:
            keyring.of(SOURCE).request(["alice"]).result(60)
            key = keyring.of(SOURCE).take("alice")
        assert key is not None
        store.begin_forgetting([key.key_id])

        _, subjects = subject_results(_config(tmp_path, site.config))

    assert subjects.status is Status.WARNING
    assert "forget --pending" in subjects.remedy


def test_key_of_another_kek_fails(tmp_path: Path, site: SubjectSite) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with local_provider(other) as provider, closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request(["alice"]).result(60)
    local_provider(tmp_path).close()

    (store,) = subject_results(_config(tmp_path, site.config))

    assert store.status is Status.FAILED
    assert store.exit_code == 5


def test_absent_file_is_named(tmp_path: Path) -> None:
    local_provider(tmp_path).close()
    config = SubjectKeysConfig(store=SecretStr(f"sqlite:///{tmp_path}/absent.db"))

    (store,) = subject_results(_config(tmp_path, config))

    assert store.status is Status.FAILED
    assert "telemetry subject init" in store.message
