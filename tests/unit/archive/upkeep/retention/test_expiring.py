from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.archive.upkeep.holds.hold import Hold
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.archive.upkeep.retention.expiring import Expiring, expire_day
from telemetry.archive.upkeep.retention.policy import Retention, RetentionPolicy
from telemetry.format.archive.seal import Seal, SealKind
from telemetry.reader.verify.verdicts import Verdict
from tests.support.kept_archive import ARCHIVE, KeptArchive
from tests.support.written_trail import Process

LATER = datetime(2027, 6, 1, tzinfo=UTC)
ONE_YEAR = RetentionPolicy({"payment": Retention(1, "y")}, default=None, name="shop 1")


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=2)
    return kept


def expire(
    archive: KeptArchive, policy: RetentionPolicy = ONE_YEAR, *, holds: Holds | None = None, now: datetime = LATER
) -> list[Seal | None]:
    with archive.opened() as opened:
        expiring = Expiring(opened.store, policy, holds=holds or Holds(), now=now)
        return [expire_day(opened, expiring, day.day) for day in list(expiring.days(opened.state())) if day.files]


def test_content_ends_and_the_rest_is_proven(archive: KeptArchive) -> None:
    (seal,) = expire(archive)

    assert seal is not None
    assert seal.kind is SealKind.EXPIRE
    assert [(ending.policy, ending.rows) for ending in seal.ended] == [("payment: 1y", 40)]
    rows = archive.rows()
    assert [row["kind"] for row in rows].count("ended") == 4
    assert [row["kind"] for row in rows].count("event") == 0
    report = archive.require_whole()
    assert report.archive is not None
    assert report.archive.ended == 40
    archive.require_table()
    state = archive.state()
    assert (state.seal.rows, state.seal.records) == (len(rows), 45)


def test_nothing_ends_before_its_time(archive: KeptArchive) -> None:
    assert expire(archive, now=datetime(2026, 12, 1, tzinfo=UTC)) == []
    assert expire(archive, RetentionPolicy({"other": Retention(1, "d")}, default=None, name="x")) == []


def test_second_run_has_nothing_to_do(archive: KeptArchive) -> None:
    expire(archive)

    assert expire(archive) == []


def test_hold_keeps_the_events_of_a_person(archive: KeptArchive) -> None:
    hashes = tuple(key_hashes_of(archive.config, ["user-1"], [("production", "payments")]))
    ordered = {"time": "2026-01-05T00:00:00Z", "by": "judge", "reason": "case 17"}
    hold = msgspec.convert(
        {"id": "019c1180-09ad-7383-9790-0a5e588d6c7f", "archive": ARCHIVE, "keyhashes": hashes, **ordered}, Hold
    )

    (seal,) = expire(archive, holds=Holds([hold]))

    assert seal is not None
    assert seal.ended[0].rows == 27
    assert {row["keyhash"] for row in archive.rows() if row["kind"] == "event"} <= set(hashes)
    archive.require_whole()


def test_late_copy_of_what_ended_ends_and_joins(archive: KeptArchive) -> None:
    process = archive.log(commits=1, events=20)
    expire(archive)
    late = [record for record in type(process)(1, leaves=True).run(40) if b"checkpoint" not in (record.value or b"")]
    archive.records(late[:10], commits=1)

    expire(archive)

    kinds = [row["kind"] for row in archive.rows()]
    assert (kinds.count("event"), kinds.count("ended")) == (0, 6)
    report = archive.require_whole()
    assert [one.proven for one in report.producers] == [40, 20]


def test_missing_events_stay_missing(archive: KeptArchive) -> None:
    process = Process(5, leaves=True)
    records = [*(process.log() for _ in range(10)), process.checkpoint(final=True)]
    archive.records([record for record in records if record is not records[4]])

    expire(archive)

    report = archive.verify()
    assert report.verdict is Verdict.MISSING
    found = [finding for one in report.producers for finding in one.findings if finding.verdict is Verdict.MISSING]
    assert [(finding.first, finding.last) for finding in found] == [(4, 4)]
