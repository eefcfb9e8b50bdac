"""The options of a target are checked before anything is opened or recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError
from telemetry.forward.targets import post
from telemetry.forward.targets.object_store import ObjectStoreTarget
from telemetry.forward.targets.opening import Kind, TargetSettings, open_target

URL = "https://siem.example.com"


@pytest.mark.parametrize("kind", [Kind.OTLP, Kind.HTTP])
def test_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    monkeypatch.setattr(post, "urllib3", None)
    with pytest.raises(MissingExtraError, match=r"telemetry-audit\[forward\]"):
        open_target(TargetSettings(kind=kind, url=URL))


def test_protobuf_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "telemetry.forward.targets.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.logs.v1.logs_pb2", None)
    with pytest.raises(MissingExtraError, match="otlp"):
        open_target(TargetSettings(kind=Kind.OTLP, url=URL))


def test_token_of_the_collector_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="--token-file"):
        open_target(TargetSettings(kind=Kind.SPLUNK_HEC, url=URL))


@pytest.mark.parametrize("url", ["gs://bucket/x", "file:///lake", "https://bucket", "s3://user:pw@bucket"])
def test_s3_is_s3_alone(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--url") as caught:
        open_target(TargetSettings(kind=Kind.S3, url=url))
    assert "pw" not in str(caught.value)


def test_store_of_the_configuration_gives_its_credentials(tmp_path: Path) -> None:
    storage = StorageConfig(provider="aws_s3", bucket_name="other", aws_region="eu-central-1")
    target = open_target(TargetSettings(kind=Kind.S3, url="s3://lake/events"), storage=storage)
    assert isinstance(target, ObjectStoreTarget)
    assert repr(target._store) == "AwsS3Provider('s3://lake/events')"
    target.close()
    folder = open_target(TargetSettings(kind=Kind.STORE, url=f"file://{tmp_path}/lake"), storage=storage)
    assert folder.name == "store"
    folder.close()
    with pytest.raises(ConfigurationError, match="--token-file"):
        open_target(TargetSettings(kind=Kind.STORE, url=f"file://{tmp_path}/lake", token=tmp_path / "token"))
