"""F names an object so that nobody can list the store any more: a name is input, like a content."""

from __future__ import annotations

import boto3
import pytest

from telemetry.config import StorageConfig
from telemetry.storage import StorageProviderFactory
from tests.attacks.forge import TOPIC
from tests.attacks.planted import name_of
from tests.services.moto_s3 import MotoBuckets
from tests.services.store_fixtures import moto_s3

__all__ = ["moto_s3"]

_PRODUCER = "0198c0de-0000-7000-8000-000000000001"
_OURS = [name_of(number, producer=_PRODUCER, first=number, last=number) for number in range(2)]


@pytest.fixture
def bucket(moto_s3: MotoBuckets) -> StorageConfig:
    """A bucket with two objects of the service."""
    config = moto_s3.config(prefix="audit")
    with StorageProviderFactory.create(config) as store:
        for name in _OURS:
            store.put(name, b"content")
    return config


@pytest.mark.parametrize("odd", ["0//b", "../x", "2026/./x", "2026/01/31//", "zzz/../x", "zzz\x01", "0\x7f"])
def test_odd_name_hides_no_object(bucket: StorageConfig, odd: str) -> None:
    client = boto3.client("s3", endpoint_url=bucket.endpoint_url, region_name=bucket.aws_region)
    client.put_object(Bucket=bucket.bucket_name, Key=f"audit/{TOPIC}/{odd}", Body=b"")

    with StorageProviderFactory.create(bucket) as store:
        listed = [stored.name for stored in store.list(f"{TOPIC}/")]

    assert [name for name in listed if name in _OURS] == _OURS


def test_odd_name_stops_no_lock(bucket: StorageConfig) -> None:
    client = boto3.client("s3", endpoint_url=bucket.endpoint_url, region_name=bucket.aws_region)
    client.put_object(Bucket=bucket.bucket_name, Key=f"audit/locks/replay-{TOPIC}//", Body=b"")

    with StorageProviderFactory.create(bucket) as store, store.lock(f"replay-{TOPIC}", owner="us", seconds=30) as lock:
        assert lock
