"""The emulated stores; and no command may leave a thread of its pipeline behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.services.store_fixtures import (
    any_config,
    azure_config,
    cloud_config,
    fake_gcs,
    gcs_config,
    moto_s3,
    s3_config,
)
from tests.support.until import until

__all__ = [
    "any_config",
    "azure_config",
    "cloud_config",
    "fake_gcs",
    "gcs_config",
    "moto_s3",
    "s3_config",
]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: not _left_since(before), what="the command's threads end", state=lambda: _left_since(before))


def _left_since(before: set[threading.Thread]) -> list[str]:
    return [each.name for each in threading.enumerate() if each not in before and each.name.startswith("telemetry-")]
