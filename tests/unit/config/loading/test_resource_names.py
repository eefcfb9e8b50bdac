"""The names that the providers themselves use for keys and stores become the fields of a section."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.config import EncryptionConfig, StorageConfig
from telemetry.config.loading.resource_names import key_fields, store_fields
from telemetry.exceptions import ConfigurationError

ARN = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (ARN, {"provider": "aws_kms", "kms_key_id": ARN}),
        ("alias/audit", {"provider": "aws_kms", "kms_key_id": "alias/audit"}),
        (
            "11111111-2222-3333-4444-555555555555",
            {"provider": "aws_kms", "kms_key_id": "11111111-2222-3333-4444-555555555555"},
        ),
        (
            "https://shop.vault.azure.net/keys/audit",
            {"provider": "azure_keyvault", "vault_url": "https://shop.vault.azure.net", "key_name": "audit"},
        ),
        (
            "https://shop.vault.azure.net/keys/audit/0123abcd",
            {
                "provider": "azure_keyvault",
                "vault_url": "https://shop.vault.azure.net",
                "key_name": "audit",
                "key_version": "0123abcd",
            },
        ),
        (
            "projects/shop/locations/global/keyRings/audit/cryptoKeys/trail",
            {
                "provider": "gcp_kms",
                "project_id": "shop",
                "location": "global",
                "key_ring": "audit",
                "gcp_key_name": "trail",
            },
        ),
    ],
)
def test_name_of_a_key(name: str, fields: dict[str, Any]) -> None:
    assert key_fields(name) == fields
    EncryptionConfig(**fields)


@pytest.mark.parametrize(
    "name",
    [
        "audit",
        "alias/",
        "alias/a b",
        "arn:aws:s3:::audit",
        "http://shop.vault.azure.net/keys/audit",
        "https://user@shop.vault.azure.net/keys/audit",
        "https://shop.vault.azure.net/secrets/audit",
        "projects/shop/locations/global/keyRings/audit",
        "projects/shop/locations/global/keyRings/audit/cryptoKeys/trail/cryptoKeyVersions/1",
        "/keys/audit.key",
        "alias/audit\n",
    ],
)
def test_text_that_names_no_key(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of a key"):
        key_fields(name)


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("s3://audit", {"provider": "aws_s3", "bucket_name": "audit"}),
        ("s3://audit/", {"provider": "aws_s3", "bucket_name": "audit"}),
        ("s3://audit/a/b", {"provider": "aws_s3", "bucket_name": "audit", "prefix": "a/b"}),
        ("gs://audit/a", {"provider": "gcp_storage", "gcp_bucket_name": "audit", "prefix": "a"}),
        (
            "https://shop.blob.core.windows.net/audit/a%20b",
            {"provider": "azure_blob", "account_name": "shop", "container_name": "audit", "prefix": "a b"},
        ),
        ("file:///var/lib/shop", {"provider": "local_file", "base_path": "/var/lib/shop"}),
    ],
)
def test_url_of_a_store(url: str, fields: dict[str, Any]) -> None:
    assert store_fields(url) == fields
    StorageConfig(**fields)


@pytest.mark.parametrize(
    "url",
    [
        "audit",
        "s3://",
        "s3:///audit",
        "ftp://audit",
        "file://host/var/lib",
        "file:///",
        "http://shop.blob.core.windows.net/audit",
        "https://shop.blob.core.windows.net/",
        "https://shop.example.com/audit",
        "https://shop.blob.core.windows.net/audit?sig=canary",
        "s3://user:canary@audit",
        "s3://[canary",
        "s3://audit:9000/canary",
        "s3://audit:canary/",
    ],
)
def test_text_that_is_no_url_of_a_store(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the URL of a store") as caught:
        store_fields(url)

    assert "canary" not in str(caught.value)
