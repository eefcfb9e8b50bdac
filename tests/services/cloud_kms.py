"""Configures providers for the fake Cloud KMS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from telemetry.config import EncryptionConfig
from tests.support.fakes.cloud_kms import FakeCloudKms

PROJECT, LOCATION, RING = "shop-audit", "europe-west3", "telemetry"


def key_name(name: str) -> str:
    """Return the full resource name of a key."""
    return f"projects/{PROJECT}/locations/{LOCATION}/keyRings/{RING}/cryptoKeys/{name}"


def kms_config(
    server: FakeCloudKms, name: str, *, ca_path: Path, service_account: Path, **fields: Any
) -> EncryptionConfig:
    """Return the configuration of a ``gcp_kms`` provider that reaches the fake."""
    values: dict[str, Any] = {
        "provider": "gcp_kms",
        "project_id": PROJECT,
        "location": LOCATION,
        "key_ring": RING,
        "gcp_key_name": name,
        "gcp_credentials_path": service_account,
        "endpoint_url": server.endpoint,
        "ca_path": ca_path,
        "max_retries": 0,
    }
    return EncryptionConfig(**{**values, **fields})
