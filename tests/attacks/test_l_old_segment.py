from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.sync import Telemetry
from tests.attacks.site import Site


def log_and_copy_the_segment(site: Site, spool: Path, copy: Path) -> None:
    """Log two payments and a wire transfer; the segment is copied before the wire transfer."""
    copy.mkdir()
    with Telemetry(site.config(spool_path=spool)) as telemetry:
        for number in range(2):
            telemetry.audit.log("payment", {"amount": number}, "alice", wait_for="durable")
        for file in spool.glob("*.spool*"):
            shutil.copy2(file, copy)
        telemetry.audit.log("wire_transfer", {"amount": 9_000_000}, "alice", wait_for="durable")


def put_back(copy: Path, spool: Path) -> str:
    """Put the old segment back; return its producer."""
    for file in copy.iterdir():
        shutil.copy2(file, spool)
    return next(copy.glob("*.spool")).stem


@pytest.fixture
def attacked(site: Site) -> Iterator[tuple[Site, str]]:
    """A topic without the last event and its checkpoints, after a restart that found the old segment."""
    spool, copy = site.folder / "spool", site.folder / "copy"
    log_and_copy_the_segment(site, spool, copy)
    before = [record for record in site.records() if b"telemetry.checkpoint" not in (record.value or b"")]
    producer = put_back(copy, spool)
    with site.rewritten([record for record in before if b"wire_transfer" not in (record.value or b"")]) as cut:
        cut.log(["user_login"], spool_path=spool)
        yield cut, producer


def test_old_segment_does_not_hide_the_cut_off_end(attacked: tuple[Site, str]) -> None:
    site, producer = attacked

    verified = site.verify()

    found = verified.of(producer)["findings"]
    assert any("recovered" in str(each) or "old copy" in str(each) for each in found)
    assert any("2" in str(each) for each in found), "the count of what was recovered is named"


def test_recovery_is_shown_to_a_person(attacked: tuple[Site, str]) -> None:
    site, producer = attacked

    ended = site.run("verify", "--public-key", site.keys.public_key)

    shown = ended.out.decode() + ended.err
    assert any(producer in line and ("recovered" in line or "old copy" in line) for line in shown.splitlines())


def test_old_segment_is_called_an_old_copy(site: Site) -> None:
    """Here nothing was deleted: the trail proves that the segment is older, and the stream stays complete."""
    spool, copy = site.folder / "spool", site.folder / "copy"
    log_and_copy_the_segment(site, spool, copy)
    producer = put_back(copy, spool)

    site.log(["user_login"], spool_path=spool)

    verified = site.verify()
    assert verified.proven(producer) == 3
    assert verified.of(producer)["verdict"] not in ("truncated", "tampered")
    assert "old copy" in str(verified.of(producer)["findings"])
