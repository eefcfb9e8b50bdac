"""L puts several things into the spool folder at once: pipes, links, copies of two ages, segments of a former secret."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from telemetry.sync import Telemetry
from tests.attacks.site import Site

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")


def copies_of_a_segment(site: Site, **audit: Any) -> tuple[Path, Path, str]:
    """Log three events; return the segment's files after the first and after the third, and the producer."""
    spool, old, new = site.folder / "spool", site.folder / "old", site.folder / "new"
    with Telemetry(site.config(spool_path=spool, **audit)) as telemetry:
        for copy, count in ((old, 1), (new, 2)):
            copy.mkdir()
            for number in range(count):
                telemetry.audit.log("payment", {"amount": number}, "alice", wait_for="durable")
            for file in spool.glob("*.spool*"):
                shutil.copy2(file, copy)
    return old, new, next(new.glob("*.spool")).stem


def restored(site: Site, copy: Path, *, stem: str) -> Path:
    """Put a segment into a folder that has no memory of it."""
    spool = site.folder / "restored"
    spool.mkdir(mode=0o700, exist_ok=True)
    for file in copy.iterdir():
        shutil.copy2(file, spool / f"{stem}{file.name[file.name.index('.') :]}")
    return spool


def test_pipe_and_linked_log_end_no_start(site: Site) -> None:
    _, new, producer = copies_of_a_segment(site)
    spool = restored(site, new, stem=producer)
    os.mkfifo(spool / "0198c0de-0000-7000-8000-000000000001.spool")
    log = spool / f"{producer}.spool-wal"
    log.unlink()
    victim = site.folder / "of the application"
    victim.write_bytes(b"precious")
    log.symlink_to(victim)

    site.log(["user_login"], spool_path=spool)

    assert victim.read_bytes() == b"precious"
    assert (spool / f"{producer}.spool").exists()
    assert site.verify().code == 0


def test_copies_of_two_ages_are_no_fork(site: Site) -> None:
    old, new, producer = copies_of_a_segment(site)
    restored(site, old, stem="0198c0de-0000-7000-8000-000000000001")
    spool = restored(site, new, stem=producer)

    site.log(["user_login"], spool_path=spool)

    verified = site.verify()
    assert verified.proven(producer) == 3
    assert verified.of(producer)["verdict"] not in ("tampered", "truncated", "missing")


def test_segment_of_a_former_secret_is_signed_only_if_that_is_listed(site: Site) -> None:
    _, new, producer = copies_of_a_segment(site, storage_secret="the secret of last year")
    spool = restored(site, new, stem=producer)

    site.log(["user_login"], spool_path=spool, storage_secret="the secret of this year")

    found = [record.value or b"" for record in site.records() if record.key == producer.encode()]
    assert found
    assert not [value for value in found if b"recovered" in value]
    assert site.verify().proven(producer) == 3
