"""The cloud stores keep the contract of a fallback store, each on its emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.config import StorageConfig
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.testing import StorageProviderContract

pytestmark = pytest.mark.services


class TestAwsS3(StorageProviderContract):
    @pytest.fixture
    def provider(self, s3_config: StorageConfig) -> Iterator[StorageProvider]:
        with StorageProviderFactory.create(s3_config) as provider:
            yield provider


class TestAzureBlob(StorageProviderContract):
    @pytest.fixture
    def provider(self, azure_config: StorageConfig) -> Iterator[StorageProvider]:
        with StorageProviderFactory.create(azure_config) as provider:
            yield provider


class TestGcpStorage(StorageProviderContract):
    @pytest.fixture
    def provider(self, gcs_config: StorageConfig) -> Iterator[StorageProvider]:
        with StorageProviderFactory.create(gcs_config) as provider:
            yield provider
