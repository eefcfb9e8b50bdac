"""A real folder keeps the contract of a fallback store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.testing import StorageProviderContract


class TestLocalFile(StorageProviderContract):
    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[StorageProvider]:
        config = StorageConfig(provider="local_file", base_path=tmp_path / "fallback", prefix="service/a")
        with StorageProviderFactory.create(config) as provider:
            yield provider
