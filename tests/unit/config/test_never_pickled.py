"""No pickle has a secret: configurations, pipelines, keys and their providers refuse it; copies work where they did."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from telemetry import Telemetry
from telemetry.encryption import EncryptionProviderFactory
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.types import AuditConfig, EncryptionConfig, KafkaConfig, SigningConfig, StorageConfig, TelemetryConfig

SECRET = "correct horse battery staple"


def _config(folder: Path) -> TelemetryConfig:
    audit = AuditConfig(
        kafka_config=KafkaConfig(brokers="k:1", username="u", password=SECRET),  # type: ignore[arg-type]
        encryption_config=EncryptionConfig(provider="local_key", key_path=folder / "key", passphrase=SECRET),  # type: ignore[arg-type]
        storage_config=StorageConfig(provider="local_file", base_path=folder),
        signing_config=SigningConfig(key_path=folder / "signing", passphrase=SECRET),  # type: ignore[arg-type]
    )  # type: ignore[call-arg]
    return TelemetryConfig(service_name="shop", audit_config=audit)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_configurations_are_not_pickled(tmp_path: Path, protocol: int) -> None:
    config = _config(tmp_path)
    audit = config.audit_config

    parts = (config, audit, audit.kafka_config, audit.encryption_config, audit.storage_config, audit.signing_config)
    for part in parts:
        with pytest.raises(TypeError, match="cannot be pickled, because it has secrets"):
            pickle.dumps(part, protocol)


def test_configurations_are_copied(tmp_path: Path) -> None:
    config = _config(tmp_path)

    assert copy.copy(config) == config
    assert copy.deepcopy(config) == config
    assert config.model_copy(update={"service_name": "other"}).audit_config is config.audit_config


def test_pipelines_are_not_pickled(tmp_path: Path) -> None:
    for telemetry in (Telemetry(_config(tmp_path)), BlockingTelemetry(_config(tmp_path))):
        with pytest.raises(TypeError, match="create one in each process"):
            pickle.dumps(telemetry)
        assert copy.copy(telemetry) is telemetry


def test_providers_are_not_pickled_or_copied(tmp_path: Path) -> None:
    encryption = _config(tmp_path).audit_config.encryption_config
    assert encryption is not None
    provider = EncryptionProviderFactory.create(encryption)

    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            attempt(provider)
