"""The emulated stores."""

from __future__ import annotations

from tests.services.store_fixtures import (
    any_config,
    azure_config,
    cloud_config,
    fake_gcs,
    gcs_config,
    moto_s3,
    s3_config,
)

__all__ = [
    "any_config",
    "azure_config",
    "cloud_config",
    "fake_gcs",
    "gcs_config",
    "moto_s3",
    "s3_config",
]
