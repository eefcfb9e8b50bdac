from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.archive.table.locations import Locations
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveStateError
from telemetry.storage import StorageProviderFactory

KEY = "a2V5" * 22


def locations(**fields: object) -> Locations:
    secrets = {
        "aws_s3": {"aws_access_key_id": "a", "aws_secret_access_key": "b"},
        "azure_blob": {"azure_account_key": KEY},
    }
    config = StorageConfig.model_validate({**secrets.get(str(fields["provider"]), {}), **fields})
    with StorageProviderFactory.create(config) as store:
        return Locations(store)


def test_folder(tmp_path: Path) -> None:
    found = locations(provider="local_file", base_path=tmp_path / "a b?", prefix="x/y")

    assert found.root == f"file://{tmp_path}/a b?/x/y"
    assert found.name_of(found.uri_of("events/metadata/1.json")) == "events/metadata/1.json"
    assert found.name_of(f"file:{tmp_path}/a b?/x/y/events/1") == "events/1"


def test_bucket() -> None:
    found = locations(provider="aws_s3", bucket_name="trail", prefix="years")

    assert found.uri_of("events/1") == "s3://trail/years/events/1"
    assert found.name_of("s3a://trail/years/events/1") == "events/1"


def test_container() -> None:
    found = locations(provider="azure_blob", account_name="acme", container_name="trail")

    assert found.uri_of("events/1") == "abfss://trail@acme.dfs.core.windows.net/events/1"
    for uri in ("abfs://trail@acme.dfs.core.windows.net/e/1", "wasbs://trail@acme.blob.core.windows.net/e/1"):
        assert found.name_of(uri) == "e/1"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "s3://trail/years",
        "s3://trail/years/",
        "s3://trail/other/x",
        "s3://trail/years-ago/x",
        "s3://other/years/x",
        "s3://trail/years/../x",
        "s3://trail/years//x",
        "s3://trail/years/a/./x",
        "gs://trail/years/x",
        "file:///trail/years/x",
        "/trail/years/x",
        "s3://trail@evil/years/x",
    ],
)
def test_other_places_are_refused(uri: str) -> None:
    with pytest.raises(ArchiveStateError, match="not below"):
        locations(provider="aws_s3", bucket_name="trail", prefix="years").name_of(uri)
