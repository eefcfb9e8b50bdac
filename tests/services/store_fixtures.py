"""Provides the emulated stores as pytest fixtures, and configurations that reach them; a ``conftest.py`` imports them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from tests.services.azurite import BlobService
from tests.services.blob_container import blob_config
from tests.services.gcs import gcs_config_of
from tests.services.moto_s3 import MotoBuckets, MotoS3
from tests.services.required import ServiceUnavailableError, unavailable
from tests.services.sharing import shared_service
from tests.support.fakes.gcs import FakeGcs


@pytest.fixture(scope="session")
def moto_s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoBuckets]:
    with ExitStack() as stack:
        try:
            shared = shared_service(request.config, "moto_s3")
            if shared is not None:
                yield MotoBuckets(shared["port"])
                return
            emulator = stack.enter_context(MotoS3(tmp_path_factory.mktemp("moto")))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield emulator


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        yield server


@pytest.fixture(scope="session")
def s3_config(moto_s3: MotoBuckets) -> StorageConfig:
    return moto_s3.config(prefix="audit-events/production")


@pytest.fixture(scope="session")
def azure_config(azurite: BlobService) -> StorageConfig:
    return blob_config(azurite, prefix="audit-events")


@pytest.fixture(scope="session")
def gcs_config(fake_gcs: FakeGcs) -> StorageConfig:
    return gcs_config_of(fake_gcs)


@pytest.fixture(params=["aws_s3", "azure_blob", "gcp_storage"])
def cloud_config(request: pytest.FixtureRequest) -> StorageConfig:
    fixtures = {"aws_s3": "s3_config", "azure_blob": "azure_config", "gcp_storage": "gcs_config"}
    config: StorageConfig = request.getfixturevalue(fixtures[request.param])
    return config


@pytest.fixture(params=["aws_s3", "azure_blob", "gcp_storage", "local_file"])
def any_config(request: pytest.FixtureRequest, tmp_path: Path) -> StorageConfig:
    """Return the configuration of each of the four stores."""
    if request.param == "local_file":
        return StorageConfig(provider="local_file", base_path=tmp_path / "fallback")
    fixtures = {"aws_s3": "s3_config", "azure_blob": "azure_config", "gcp_storage": "gcs_config"}
    config: StorageConfig = request.getfixturevalue(fixtures[request.param])
    return config
