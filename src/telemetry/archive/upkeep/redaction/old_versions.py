"""Says what a store still has of files that were deleted: old versions, and until when a lock keeps them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from telemetry.exceptions import MissingExtraError
from telemetry.storage import StorageProvider
from telemetry.storage.names import clean_prefix
from telemetry.storage.s3_listing import s3_client

logger = logging.getLogger("telemetry.archive")


class OldVersions(NamedTuple):
    """What is left of files that were deleted.

    Attributes:
        files: How many of them have an old version.
        locked_until: The latest time until which a lock keeps one; None if no lock is known.
        is_known: Whether the store was asked and answered.
    """

    files: int = 0
    locked_until: datetime | None = None
    is_known: bool = True


def old_versions(store: StorageProvider, names: Iterable[str]) -> OldVersions:
    """Ask a store what it still has of files that were deleted.

    Only S3 tells (``s3:ListBucketVersions`` and ``s3:GetObjectRetention``); a folder keeps nothing. For any other store, and
    without these rights, the answer is unknown.

    Args:
        store: The archive's store.
        names: Names of the files.
    """
    if store.config.provider == "local_file":
        return OldVersions()
    if store.config.provider != "aws_s3":
        return OldVersions(is_known=False)
    try:
        client = s3_client(store.config)
    except MissingExtraError:
        return OldVersions(is_known=False)
    try:
        return _of_bucket(client, store, names)
    except Exception as exc:  # noqa: BLE001 - boto3 has no base class that is imported without it
        logger.warning("it is not known which old versions the bucket keeps: %s", type(exc).__name__)
        return OldVersions(is_known=False)
    finally:
        client.close()


def _of_bucket(client: Any, store: StorageProvider, names: Iterable[str]) -> OldVersions:
    bucket = store.config.bucket_name
    prefix = clean_prefix(store.config.prefix)
    found = OldVersions()
    for name in names:
        key = f"{prefix}/{name}" if prefix else name
        answer = client.list_object_versions(Bucket=bucket, Prefix=key)
        versions = [each["VersionId"] for each in answer.get("Versions", ()) if each["Key"] == key]
        ends = [found.locked_until, *(_lock_of(client, bucket, key, version) for version in versions)]
        latest: datetime | None = max((end for end in ends if end is not None), default=None)
        found = OldVersions(found.files + bool(versions), latest)
    return found


def _lock_of(client: Any, bucket: str | None, key: str, version: str) -> datetime | None:
    head = client.head_object(Bucket=bucket, Key=key, VersionId=version)
    until = head.get("ObjectLockRetainUntilDate")
    return until if isinstance(until, datetime) else None
