from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles
from tests.support.gateway.gateway_site import GatewaySite


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def brokers() -> Iterator[str]:
    with EmbeddedKafka(partitions=1) as kafka:
        yield kafka.bootstrap_servers


@pytest.fixture
def gateway_site(brokers: str, keys: KeyFiles, tmp_path: Path) -> GatewaySite:
    return GatewaySite(brokers, tmp_path, keys)
