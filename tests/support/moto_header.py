"""Sends to moto the header that it wants in a bucket with a retention, where S3 is content with the checksum itself."""

from __future__ import annotations

from typing import Any

from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.object_store import ObjectStoreProvider

_options: Any = vars(ObjectStoreProvider)["_client_options"].fget


def _with_header(provider: AwsS3Provider) -> dict[str, Any]:
    return {**_options(provider), "default_headers": {"x-amz-sdk-checksum-algorithm": "SHA256"}}


WITH_HEADER = property(_with_header)
"""Instead of ``AwsS3Provider._client_options``."""
