from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """The key files of the attacked service; to derive a key from a passphrase is slow, so every test has the same."""
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    """The attacked service, with a Kafka that no other test writes to."""
    # One partition: what is written first is read first.
    with EmbeddedKafka(partitions=1) as kafka:
        yield Site(kafka, tmp_path, keys)
