"""Fetches PostgreSQL's programs by Maven and unpacks them."""

from __future__ import annotations

import functools
import hashlib
import io
import platform
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.services import fetch
from tests.services.required import ServiceUnavailableError

_PLATFORMS = {"x86_64": "linux-amd64", "aarch64": "linux-arm64v8"}


@functools.cache
def postgres_programs() -> Path:
    """Return the folder with ``bin``, ``lib`` and ``share`` of PostgreSQL, of the committed digest.

    Raises:
        ServiceUnavailableError: Maven is missing, there is no archive for this platform, or the fetch failed.
    """
    name, digest = _wanted()
    target = fetch.CACHE / "postgres"
    stamp = target / "fetched-digest"
    with fetch.locked("postgres"):
        if not stamp.is_file() or stamp.read_text() != digest:
            archive = _fetch(name, digest)
            shutil.rmtree(target, ignore_errors=True)
            _unpack(archive, target)
            shutil.rmtree(archive.parent)
            stamp.write_text(digest)
    return target


def _wanted() -> tuple[str, str]:
    system = _PLATFORMS.get(platform.machine())
    if sys.platform != "linux" or system is None:
        message = f"no PostgreSQL is fetched for {sys.platform} on {platform.machine()}"
        raise ServiceUnavailableError(message)
    for line in (fetch.DEFINITIONS / "postgres" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        if f"-{system}-" in name:
            return name, digest
    message = f"services/postgres/SHA256SUMS has no archive for {system}"
    raise ServiceUnavailableError(message)


def _fetch(name: str, digest: str) -> Path:
    folder = fetch.CACHE / "postgres.partial"
    shutil.rmtree(folder, ignore_errors=True)
    goal = [
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder}",
        f"-Dplatform={_PLATFORMS[platform.machine()]}",
    ]
    fetch.run([fetch.program("mvn"), "-q", "-B", "-f", "pom.xml", *goal], folder=fetch.DEFINITIONS / "postgres")
    archive = folder / name
    if not archive.is_file() or hashlib.sha256(archive.read_bytes()).hexdigest() != digest:
        message = f"the archive fetched for PostgreSQL differs from services/postgres/SHA256SUMS: {name}"
        raise ServiceUnavailableError(message)
    return archive


def _unpack(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as outer:
        (packed,) = [name for name in outer.namelist() if name.endswith(".txz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed)), mode="r:xz") as inner:
            inner.extractall(target, filter="data")
