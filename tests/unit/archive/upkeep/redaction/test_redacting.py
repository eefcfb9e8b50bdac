from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.archive.upkeep.holds.hold import Hold
from telemetry.archive.upkeep.holds.in_force import Holds
from telemetry.archive.upkeep.redaction.redacting import Redacting, redact_day, require_complete
from telemetry.archive.upkeep.redaction.request import RedactionRequest
from telemetry.exceptions import ArchiveError, LegalHoldError
from telemetry.format.archive.seal import Seal, SealKind
from tests.support.kept_archive import ARCHIVE, KeptArchive

ID = "019c1180-09ad-7383-9790-0a5e588d6c7f"


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=2)
    return kept


def a_request(archive: KeptArchive, user: str = "user-1", **parts: Any) -> RedactionRequest:
    hashes = tuple(key_hashes_of(archive.config, [user], [("production", "payments")]))
    fixed = {"request": "DSR-1", "reason": "erasure", "by": "dora", "ids": (), "at": datetime.now(UTC)}
    return RedactionRequest(**{**fixed, "keyhashes": hashes, **parts})


def redact(archive: KeptArchive, request: RedactionRequest, *, holds: Holds | None = None) -> list[Seal | None]:
    with archive.opened() as opened:
        redacting = Redacting(opened.store, request, holds=holds or Holds())
        seals = [redact_day(opened, redacting, day.day) for day in list(redacting.days(opened.state()))]
        require_complete(opened, redacting)
    return seals


def test_person_is_gone_and_everything_is_proven(archive: KeptArchive) -> None:
    values = [row["value"] for row in archive.rows() if row["keyhash"] in a_request(archive).keyhashes]
    assert len(values) == 13

    (seal,) = redact(archive, a_request(archive))

    assert seal is not None
    assert (seal.kind, seal.redacted[0].count, seal.redacted[0].request) == (SealKind.REDACT, 13, "DSR-1")
    report = archive.require_whole()
    assert report.archive is not None
    assert report.archive.redacted == 13
    assert [one.proven for one in report.producers] == [40]
    archive.require_table()
    with archive.store() as store:
        live = [store.get(file.name) for file in archive.state().live.files()]
    assert not any(value[-60:] in data for value in values for data in live)


def test_table_of_the_past_does_not_name_the_person(archive: KeptArchive) -> None:
    request = a_request(archive)
    redact(archive, request)

    with archive.store() as store:
        metadata = [store.get(stored.name) for stored in store.list("events/metadata/")]
        seals = [store.get(stored.name) for stored in store.list("evidence/")]

    assert metadata
    for data in (*metadata, *seals):
        assert not any(hash_.encode() in data for hash_ in request.keyhashes)
        assert b"user-1" not in data


def test_second_request_finds_nothing_left(archive: KeptArchive) -> None:
    redact(archive, a_request(archive))

    assert redact(archive, a_request(archive, request="DSR-2")) == []


def test_ids_are_named_in_the_seal(archive: KeptArchive) -> None:
    wanted = tuple(row["id"] for row in archive.rows() if row["sequence"] in (3, 4) and row["kind"] == "event")

    (seal,) = redact(archive, a_request(archive, keyhashes=(), ids=wanted))

    assert seal is not None
    assert seal.redacted[0].events == wanted
    assert sum(row["redacted"] is not None for row in archive.rows()) == 2
    archive.require_whole()


@pytest.mark.parametrize("scope", [{}, {"service": "payments"}, {"since": "2026-01-02T00:00:00Z"}])
def test_hold_refuses_all_of_it(archive: KeptArchive, scope: dict[str, Any]) -> None:
    hold = Hold(id=ID, archive=ARCHIVE, time="2026-01-05T00:00:00Z", by="judge", reason="case 17", **scope)

    with pytest.raises(LegalHoldError, match=f"{ID}.*case 17"):
        redact(archive, a_request(archive), holds=Holds([hold]))

    assert archive.state().seal.kind is SealKind.APPEND


def test_hold_of_somebody_else_refuses_nothing(archive: KeptArchive) -> None:
    others = a_request(archive, "user-2").keyhashes
    hold = Hold(id=ID, archive=ARCHIVE, time="2026-01-05T00:00:00Z", by="judge", reason="case 17", keyhashes=others)

    assert len(redact(archive, a_request(archive), holds=Holds([hold]))) == 1


def test_events_that_arrive_meanwhile_are_told(archive: KeptArchive) -> None:
    with archive.opened() as opened:
        redacting = Redacting(opened.store, a_request(archive), holds=Holds())
        for day in list(redacting.days(opened.state())):
            redact_day(opened, redacting, day.day)
        archive.log(commits=1)

        with pytest.raises(ArchiveError, match="run it again"):
            require_complete(opened, redacting)
