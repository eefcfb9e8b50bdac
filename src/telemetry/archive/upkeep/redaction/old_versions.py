"""Says what a store still has of content that was removed: old versions of files, and until when a lock keeps them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from telemetry.archive.files.data_file import DATA_PREFIX
from telemetry.exceptions import MissingExtraError
from telemetry.storage import StorageProvider
from telemetry.storage.names import clean_prefix
from telemetry.storage.s3_listing import s3_client

logger = logging.getLogger("telemetry.archive")

MAX_LOCKS = 1_000
"""Versions whose locks are looked at; each is one request."""


class OldVersions(NamedTuple):
    """What is left of files that were replaced.

    Attributes:
        files: How many of them have an old version.
        locked_until: The latest time until which a lock keeps one of the first thousand; None if no lock is known.
        is_known: Whether the store was asked and answered.
    """

    files: int = 0
    locked_until: datetime | None = None
    is_known: bool = True


def old_versions(store: StorageProvider, days: Iterable[str], *, live: Collection[str]) -> OldVersions:
    """Ask a store what it still has of the files of some days that are not live any more.

    Only S3 tells (``s3:ListBucketVersions`` and ``s3:GetObjectVersion``); a folder keeps nothing. For any other store, and
    without these rights, the answer is unknown.

    Args:
        store: The archive's store.
        days: The days, ``YYYY-MM-DD``.
        live: Names of the live files.
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
        return _of_bucket(client, store, days, live)
    except Exception as exc:  # noqa: BLE001 - boto3's errors have no base class without it
        logger.warning("it is not known which old versions the bucket keeps: %s", type(exc).__name__)
        return OldVersions(is_known=False)
    finally:
        client.close()


def _of_bucket(client: Any, store: StorageProvider, days: Iterable[str], live: Collection[str]) -> OldVersions:
    bucket = store.config.bucket_name
    prefix = clean_prefix(store.config.prefix)
    root = f"{prefix}/" if prefix else ""
    versions: list[tuple[str, str]] = []
    for day in days:
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=f"{root}{DATA_PREFIX}day={day}/"
        )
        found = ((str(each["Key"]), str(each["VersionId"])) for page in pages for each in page.get("Versions", ()))
        versions += [each for each in found if each[0].removeprefix(root) not in live]
    ends = (_lock_of(client, bucket, key, version) for key, version in versions[:MAX_LOCKS])
    latest: datetime | None = max((end for end in ends if end is not None), default=None)
    return OldVersions(len({key for key, _ in versions}), latest)


def _lock_of(client: Any, bucket: str | None, key: str, version: str) -> datetime | None:
    head = client.head_object(Bucket=bucket, Key=key, VersionId=version)
    until = head.get("ObjectLockRetainUntilDate")
    return until if isinstance(until, datetime) else None
