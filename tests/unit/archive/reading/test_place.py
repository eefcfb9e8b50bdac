"""Where an archive is: by folder, by URI, with whose credentials, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.archive.reading.place import archive_name, archive_store_config, open_archive_store
from telemetry.config import ArchiveConfig, AuditConfig, StorageConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError


def _config(storage: StorageConfig | None = None, archive: ArchiveConfig | None = None) -> TelemetryConfig:
    audit = AuditConfig(
        kafka_brokers="localhost:9092",
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
        storage_config=storage,
    )
    return TelemetryConfig(service_name="shop", environment="test", audit_config=audit, archive_config=archive)


@pytest.mark.parametrize(
    ("uri", "provider", "name"),
    [
        ("/srv/archive", "local_file", "/srv/archive"),
        ("file:///srv/archive", "local_file", "/srv/archive"),
        ("s3://bucket/a/b", "aws_s3", "s3://bucket/a/b"),
        ("s3://bucket", "aws_s3", "s3://bucket"),
        ("gs://bucket/a", "gcp_storage", "gs://bucket/a"),
        ("az://account/container/a", "azure_blob", "az://account/container/a"),
    ],
)
def test_uri_names_a_store(uri: str, provider: str, name: str) -> None:
    storage = archive_store_config(uri, _config())

    assert storage.provider == provider
    assert archive_name(storage) == name


@pytest.mark.parametrize(
    "uri", ["", " ", "ftp://host/a", "s3://", "s3://user:secret@bucket/a", "s3://b/a?x=1", "az://a"]
)
def test_anything_else_is_refused_without_its_text(uri: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        archive_store_config(uri, _config())

    assert "--archive" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_credentials_are_those_of_the_store_of_the_same_kind() -> None:
    known = StorageConfig(
        provider="aws_s3",
        bucket_name="fallback",
        aws_access_key_id="id",
        aws_secret_access_key=SecretStr("s3cret"),
        endpoint_url="https://store.example.com",
    )
    storage = archive_store_config("s3://archive/years", _config(known))

    assert (storage.bucket_name, storage.prefix, storage.aws_access_key_id) == ("archive", "years", "id")
    assert storage.endpoint_url == "https://store.example.com"
    assert "s3cret" not in archive_name(storage)
    assert archive_store_config("gs://other/a", _config(known)).endpoint_url is None


def test_look_at_a_folder_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    with (
        pytest.raises(ConfigurationError, match="is not a folder"),
        open_archive_store(archive_store_config(str(folder), _config())),
    ):
        pass

    assert not folder.exists()


def test_no_archive_is_named() -> None:
    with pytest.raises(ConfigurationError, match="names no archive"):
        archive_store_config(None, _config())


def test_configuration_names_the_archive() -> None:
    own = StorageConfig(provider="aws_s3", bucket_name="of-archive", endpoint_url="https://archive.example.com")

    placed = _config(archive=ArchiveConfig(location="s3://years/audit", storage_config=own))
    assert archive_name(archive_store_config(None, placed)) == "s3://years/audit"
    assert archive_store_config(None, placed).endpoint_url == "https://archive.example.com"
    assert archive_name(archive_store_config("s3://copy", placed)) == "s3://copy"
    assert archive_store_config(None, _config(archive=ArchiveConfig(storage_config=own))) == own
    with pytest.raises(ConfigurationError, match=r"archive_config\.location"):
        archive_store_config(None, _config(archive=ArchiveConfig(location="ftp://years")))
