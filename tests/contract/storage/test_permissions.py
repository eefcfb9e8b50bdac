"""The check at the start names the permission that is missing, where the emulators can deny it one by one."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageAccessDeniedError
from telemetry.storage import StorageProviderFactory
from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.azure_blob import AzureBlobProvider
from telemetry.storage.gcp_storage import GcpStorageProvider
from telemetry.storage.object_store import ObjectStoreProvider
from tests.services.azurite import BlobService
from tests.services.blob_container import blob_config, shared_access_signature
from tests.services.moto_s3 import MotoS3

pytestmark = pytest.mark.services

_RIGHTS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket")


class GuardedS3:
    """An emulated S3 that checks every request by the policies of its users."""

    def __init__(self, moto: MotoS3) -> None:
        self._moto = moto
        self.bucket = f"audit-{uuid.uuid4().hex}"
        moto.client.create_bucket(Bucket=self.bucket)
        self._configs = {right: self._user_without(right) for right in ("", *_RIGHTS)}
        self._enforce()

    def without(self, right: str) -> StorageConfig:
        """Return the configuration of a user who lacks one right."""
        return self._configs[right]

    def _user_without(self, right: str) -> StorageConfig:
        iam: Any = boto3.client(
            "iam",
            endpoint_url=self._moto.url,
            region_name="us-east-1",
            aws_access_key_id="root",
            aws_secret_access_key="root",
        )
        name = f"user-{uuid.uuid4().hex}"
        iam.create_user(UserName=name)
        objects = [other for other in _RIGHTS[:3] if other != right]
        bucket = f"arn:aws:s3:::{self.bucket}"
        statements = [{"Effect": "Allow", "Action": objects, "Resource": f"{bucket}/audit/*"}]
        if right != "s3:ListBucket":
            statements.append({"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket})
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="audit", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self._moto.config(
            self.bucket,
            prefix="audit",
            max_retries=0,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )

    def _enforce(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._moto.port, timeout=20.0)
        try:
            connection.request("POST", "/moto-api/reset-auth", body="0")
            assert connection.getresponse().status == 200
        finally:
            connection.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedS3]:
    with MotoS3(tmp_path_factory.mktemp("guarded")) as moto:
        yield GuardedS3(moto)


def test_s3_with_exactly_the_documented_permissions(guarded: GuardedS3) -> None:
    with StorageProviderFactory.create(guarded.without("")) as store:
        store.check()
        store.put("t/x", b"1")
        assert store.get("t/x") == b"1"
        assert [stored.name for stored in store.list("t/")] == ["t/x"]
        with store.lock("replay", owner="test", seconds=60.0) as lock:
            assert lock.is_held
        store.delete("t/x")


@pytest.mark.parametrize("right", _RIGHTS)
def test_s3_without_one_of_them(guarded: GuardedS3, right: str) -> None:
    with (
        StorageProviderFactory.create(guarded.without(right)) as store,
        pytest.raises(StorageAccessDeniedError, match=f"grant {right} on the"),
    ):
        store.check()


@pytest.mark.parametrize(
    ("permissions", "right"), [("rdl", "put"), ("cwdl", "get"), ("rcwd", "list"), ("rcwl", "delete")]
)
def test_azure_without_one_of_them(azurite: BlobService, permissions: str, right: str) -> None:
    config = blob_config(azurite, azure_account_key=None, max_retries=0)
    token = shared_access_signature(azurite, config.container_name or "", permissions=permissions)
    limited = StorageConfig(**{**config.model_dump(exclude_none=True), "azure_sas_token": token})
    with StorageProviderFactory.create(limited) as store, pytest.raises(StorageAccessDeniedError) as raised:
        store.check()
    assert f"grant {getattr(AzureBlobProvider.permissions, right)}" in str(raised.value)


@pytest.mark.parametrize("provider", [AwsS3Provider, AzureBlobProvider, GcpStorageProvider])
def test_docstrings_list_the_permissions(provider: type[ObjectStoreProvider]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "providers.md").read_text("utf-8")
    for right in provider.permissions:
        name = right.split(" ")[0]
        assert name in (provider.__doc__ or "")
        assert name in page
