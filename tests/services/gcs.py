"""Configures stores that reach the Cloud Storage of the tests."""

from __future__ import annotations

from typing import Any

from telemetry.config import StorageConfig
from tests.support.fakes.gcs import FakeGcs


def gcs_config_of(server: FakeGcs, **fields: Any) -> StorageConfig:
    """Return the configuration of a ``gcp_storage`` store in the server's bucket."""
    values: dict[str, Any] = {
        "provider": "gcp_storage",
        "gcp_bucket_name": server.bucket,
        "gcp_bearer_token": server.token,
        "endpoint_url": server.url,
        "allow_http": True,
    }
    return StorageConfig(**{**values, **fields})
