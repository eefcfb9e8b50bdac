"""S3 itself protects objects: encryption at rest, and buckets that lock their objects."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from telemetry.exceptions import StorageConflictError
from telemetry.storage import StorageProviderFactory
from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.object_store import ObjectStoreProvider
from tests.services.moto_s3 import MotoBuckets

pytestmark = pytest.mark.services


@pytest.mark.parametrize("mode", ["AES256", "aws:kms"])
def test_objects_are_encrypted_as_configured(moto_s3: MotoBuckets, mode: str) -> None:
    key = {} if mode == "AES256" else {"sse_kms_key_id": "alias/audit"}
    config = moto_s3.config(server_side_encryption=mode, prefix="p", **key)
    with StorageProviderFactory.create(config) as provider:
        provider.put("t/x", b"1")
    head = moto_s3.client.head_object(Bucket=config.bucket_name, Key="p/t/x")
    assert head["ServerSideEncryption"] == mode
    assert head.get("SSEKMSKeyId") == key.get("sse_kms_key_id")


@pytest.fixture
def sdk_header(monkeypatch: pytest.MonkeyPatch) -> None:
    # S3 asks for "Content-MD5 OR x-amz-checksum-"; moto does not know the second and wants what SDKs send beside it.
    options = vars(ObjectStoreProvider)["_client_options"].fget

    def with_header(provider: AwsS3Provider) -> dict[str, Any]:
        return {**options(provider), "default_headers": {"x-amz-sdk-checksum-algorithm": "SHA256"}}

    monkeypatch.setattr(AwsS3Provider, "_client_options", property(with_header))


def test_bucket_with_a_default_retention(moto_s3: MotoBuckets, sdk_header: None) -> None:
    client, bucket = moto_s3.client, f"locked-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
    client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    with StorageProviderFactory.create(moto_s3.config(bucket)) as provider:
        provider.check()
        provider.put("t/x", b"1")
        with pytest.raises(StorageConflictError):
            provider.put("t/x", b"2")
        assert client.head_object(Bucket=bucket, Key="t/x")["ObjectLockMode"] == "COMPLIANCE"
        provider.delete("t/x")
        assert [stored.name for stored in provider.list("t/")] == []
        provider.put("t/x", b"replayed, and stored again")
    versions = client.list_object_versions(Bucket=bucket, Prefix="t/")
    assert len(versions["Versions"]) == 2
    assert len(versions["DeleteMarkers"]) == 1


def test_writes_carry_a_checksum(moto_s3: MotoBuckets) -> None:
    # S3 refuses a write into a bucket with a retention that has none.
    with StorageProviderFactory.create(moto_s3.config()) as provider:
        settings = provider._store.config  # type: ignore[attr-defined]
    assert settings["checksum_algorithm"].upper() == "SHA256"
