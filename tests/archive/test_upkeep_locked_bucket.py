"""Upkeep in a real bucket with a default retention: nothing it needs is a deletion, and it says what a lock keeps."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.archive.upkeep.cleaning import clean
from telemetry.archive.upkeep.compaction import Compaction, compact_day
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.archive.upkeep.redaction.old_versions import OldVersions, old_versions
from telemetry.archive.upkeep.redaction.redacting import Redacting, redact_day
from telemetry.archive.upkeep.redaction.request import RedactionRequest
from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.object_store import ObjectStoreProvider
from tests.services.moto_s3 import MotoBuckets
from tests.support.kept_archive import KeptArchive

DAY = "2026-01-02"


@pytest.fixture
def sdk_header(monkeypatch: pytest.MonkeyPatch) -> None:
    # Moto wants what SDKs send beside a checksum.
    options = vars(ObjectStoreProvider)["_client_options"].fget

    def with_header(provider: AwsS3Provider) -> dict[str, Any]:
        return {**options(provider), "default_headers": {"x-amz-sdk-checksum-algorithm": "SHA256"}}

    monkeypatch.setattr(AwsS3Provider, "_client_options", property(with_header))


def test_upkeep_in_a_locked_bucket(moto_s3: MotoBuckets, sdk_header: None, tmp_path: Path) -> None:
    client, bucket = moto_s3.client, f"locked-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
    client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    archive = KeptArchive(tmp_path, storage=moto_s3.config(bucket, prefix="years/of/audit"))
    archive.log(commits=3)
    now = datetime.now(UTC)
    hashes = tuple(key_hashes_of(archive.config, ["user-1"], [("production", "payments")]))
    request = RedactionRequest(request="DSR-1", reason="x", by="dora", keyhashes=hashes, ids=(), at=now)

    with archive.opened() as opened:
        compact_day(opened, Compaction(max_bytes=1 << 27), DAY)
        redacting = Redacting(opened.store, request, holds=Holds())
        redact_day(opened, redacting, DAY)
        cleaned = clean(opened, now=datetime.now(UTC), keep_removed=timedelta())
        left = old_versions(opened.store, [DAY], live=opened.state().live)

    assert (cleaned.deleted, cleaned.refused) == (4, 0)
    with archive.store() as store:
        assert {stored.name for stored in store.list("events/data/")} == set(archive.state().live)
    assert left.files == 4
    assert left.locked_until is not None
    assert timedelta(days=29) < left.locked_until - now < timedelta(days=31)
    report = archive.require_whole()
    assert report.archive is not None
    assert report.archive.redacted == 13
    archive.require_table()


def test_folder_keeps_nothing(tmp_path: Path) -> None:
    archive = KeptArchive(tmp_path)
    with archive.store() as store:
        assert old_versions(store, [DAY], live=()) == OldVersions()


def test_bucket_that_does_not_answer_is_unknown(tmp_path: Path, moto_s3: MotoBuckets) -> None:
    archive = KeptArchive(tmp_path, storage=moto_s3.config(f"absent-{uuid.uuid4().hex}"))
    with archive.store() as store:
        assert not old_versions(store, [DAY], live=()).is_known
