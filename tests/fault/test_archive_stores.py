"""Archivers that work at once, and stores that are locked, away, full or another cloud's: each place once, none absent."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import StorageConfig
from telemetry.storage.aws_s3 import AwsS3Provider
from tests.services.azurite import BlobService
from tests.services.blob_container import blob_config
from tests.services.kafka import KafkaBroker
from tests.services.moto_s3 import MotoBuckets
from tests.services.tcp_proxy import TcpProxy
from tests.support import command_processes
from tests.support.archive_site import ArchiveSite
from tests.support.command_processes import CommandProcesses
from tests.support.disks import small_disk
from tests.support.moto_header import WITH_HEADER
from tests.support.until import until

pytestmark = pytest.mark.services

WORKER = Path(command_processes.__file__).parent / "workers" / "archive_forker.py"
_NOTHING = Path(os.devnull)
_NO_LEASE = "lease_seconds = 0"


@contextmanager
def processes_in(folder: Path) -> Iterator[CommandProcesses]:
    folder.mkdir()
    with CommandProcesses(folder, worker=WORKER) as started:
        yield started


def locked_bucket(moto: MotoBuckets) -> StorageConfig:
    """Return a bucket in which nothing can be deleted for a day."""
    bucket = f"audit-{uuid.uuid4().hex}"
    moto.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    moto.client.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    return moto.config(bucket, prefix="archive/payments")


def conflict(site: ArchiveSite, *, first: Path, second: Path) -> str:
    """Let two archivers begin one commit; return what the one says that is too late."""
    with processes_in(site.folder / "one") as one, processes_in(site.folder / "two") as two:
        late, folder = two.start(_NOTHING, "@after-the-rival", "archive", "--once", "-c", str(second))
        winner = one.run(_NOTHING, "archive", "--once", "-c", str(first))
        assert winner.code == 0, winner.err
        assert late.wait() == 6
        return (folder / "err").read_text()


def test_two_archivers_of_one_folder(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    site = ArchiveSite(kafka, topic, tmp_path, settings=_NO_LEASE)
    site.log(400)

    said = conflict(site, first=site.file(), second=site.file())

    assert "another writer has committed seal 0 (append)" in " ".join(said.split())
    site.check()
    site.log(100)
    site.run("--once")
    site.check()


def test_lease_lets_one_archiver_work(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    site = ArchiveSite(kafka, topic, tmp_path, settings="lease_seconds = 1")
    site.log(100)
    with site.store() as store, store.lock("archiver", owner="other", seconds=60) as lock:
        assert lock.is_held
        assert "holds the lease" in site.run("--once", code=6)
    site.run("--once")
    site.check()


def test_two_catalogs_of_one_locked_bucket(
    kafka: KafkaBroker, topic: str, moto_s3: MotoBuckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AwsS3Provider, "_client_options", WITH_HEADER)
    site = ArchiveSite(kafka, topic, tmp_path, archive=locked_bucket(moto_s3), settings=_NO_LEASE)
    other = tmp_path / "other.db"
    site.log(300)
    first, second = site.file(), site.file(name="other.toml", catalog=other)

    conflict(site, first=first, second=second)
    site.log(200)
    site.run("--once", file=second)
    site.log(200)
    site.run("--once", file=first)
    site.run("seal", file=second)

    site.check()
    assert site.in_table(other) == site.archived()


def test_bucket_that_is_away_and_back(kafka: KafkaBroker, topic: str, moto_s3: MotoBuckets, tmp_path: Path) -> None:
    with TcpProxy(moto_s3.port) as proxy, processes_in(tmp_path / "processes") as processes:
        away: dict[str, Any] = {"endpoint_url": f"http://{proxy.address}", "timeout_ms": 2_000, "max_retries": 0}
        site = ArchiveSite(
            kafka, topic, tmp_path, archive=moto_s3.config(**away), settings="lease_seconds = 2\nevery_seconds = 1"
        )
        site.log(200)
        archiver, folder = processes.start(_NOTHING, "archive", "-c", str(site.file()))
        with site.store() as store:
            until(lambda: list(store.list("evidence/seals/")), what="the first seal")
        proxy.refuse()
        site.log(200)
        until(lambda: "it is tried again" in (folder / "err").read_text(), what="the failure")
        proxy.accept()
        until(lambda: site.archived().total() == site.on_topic().total(), what="the second seal", timeout=120.0)
        archiver.kill(signal.SIGTERM)

        assert archiver.wait() == 0
        site.check()


def test_azure(kafka: KafkaBroker, topic: str, azurite: BlobService, tmp_path: Path) -> None:
    site = ArchiveSite(kafka, topic, tmp_path, archive=blob_config(azurite, prefix="archive"))
    for _ in range(2):
        site.log(200)
        site.run("--once")

    site.check()


def test_disk_that_is_full(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with small_disk(folder, size="600k") as disk:
        archive = StorageConfig(provider="local_file", base_path=folder / "archive")
        site = ArchiveSite(kafka, topic, tmp_path, archive=archive, settings="commit_rows = 500")
        site.log(3_000)

        said = site.run("--once", code=6)

        assert "full" in said
        disk.remount("size=64m")
        site.run("--once")
        site.check()
