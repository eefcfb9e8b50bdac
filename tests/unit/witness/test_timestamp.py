from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError, TamperedError, TimestampError
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.timestamp import TimestampRoots
from telemetry.witness.timestamp import TimestampAuthority
from tests.support.rosters import WITNESS, Witnessing, documents, read_up_to
from tests.support.time_authority import TimeAuthority

pytest.importorskip("rfc3161_client", reason="the extra `timestamp` is not installed: run make setup")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeAuthority]:
    with TimeAuthority(tmp_path_factory.mktemp("authority") / "tsa").running() as running:
        yield running


@pytest.fixture(autouse=True)
def _answers_with_tokens(authority: TimeAuthority) -> None:
    authority.answers = None


@pytest.fixture
def roots(authority: TimeAuthority) -> TimestampRoots:
    return TimestampRoots.load(authority.root, option="--timestamp-ca")


def test_roster_is_stamped_and_verified(authority: TimeAuthority, roots: TimestampRoots) -> None:
    roster = Witnessing().sign(read_up_to(1))
    stamped = roster.with_timestamp(TimestampAuthority(authority.url, roots=roots).stamp(roster.note.encode()))

    assert abs(roots.time_of(stamped) - datetime.now(UTC)) < timedelta(minutes=5)


def test_time_stamp_is_the_clock_of_the_history(authority: TimeAuthority, roots: TimestampRoots) -> None:
    log = Witnessing()
    stamps = TimestampAuthority(authority.url)
    stamped = [
        roster.with_timestamp(stamps.stamp(roster.note.encode()))
        for roster in (log.sign(read_up_to(1)), log.sign(read_up_to(2)))
    ]

    history = RosterHistory.read(documents(stamped), WITNESS.public, roots=roots)

    assert (history.gaps, history.faults) == ([], [])
    assert abs(datetime.fromisoformat(history.seen_last) - datetime.now(UTC)) < timedelta(minutes=5)


def test_token_of_another_roster_proves_nothing(authority: TimeAuthority, roots: TimestampRoots) -> None:
    log = Witnessing()
    one, other = log.sign(read_up_to(1)), log.sign(read_up_to(2))
    token = TimestampAuthority(authority.url).stamp(one.note.encode())

    with pytest.raises(TamperedError):
        roots.time_of(other.with_timestamp(token))


@pytest.mark.parametrize("token", [b"", b"junk", b"\x30\x80" * 100])
def test_roster_without_a_token_is_a_gap(roots: TimestampRoots, token: bytes) -> None:
    roster = Witnessing().sign(read_up_to(1)).with_timestamp(token)

    history = RosterHistory.read(documents([roster]), WITNESS.public, roots=roots)

    assert len(history.gaps) == 1
    assert "time stamp" in history.gaps[0]


def test_altered_token_proves_nothing(authority: TimeAuthority, roots: TimestampRoots) -> None:
    roster = Witnessing().sign(read_up_to(1))
    token = bytearray(TimestampAuthority(authority.url).stamp(roster.note.encode()))
    token[-1] ^= 1

    with pytest.raises(TamperedError):
        roots.time_of(roster.with_timestamp(bytes(token)))


def test_other_root_vouches_for_nothing(authority: TimeAuthority, tmp_path: Path) -> None:
    other = TimestampRoots.load(TimeAuthority(tmp_path / "other").root, option="--timestamp-ca")
    roster = Witnessing().sign(read_up_to(1))

    with pytest.raises(TimestampError, match="proves nothing"):
        TimestampAuthority(authority.url, roots=other).stamp(roster.note.encode())


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\x00" * 100_000])
def test_answer_that_is_no_token_is_refused(authority: TimeAuthority, answer: bytes) -> None:
    authority.answers = answer

    with pytest.raises(TimestampError):
        TimestampAuthority(authority.url).stamp(b"text")


def test_token_of_another_request_is_refused(authority: TimeAuthority) -> None:
    stamps = TimestampAuthority(authority.url)
    authority.answers = stamps.stamp(b"text")

    with pytest.raises(TimestampError, match="another request"):
        stamps.stamp(b"text")


def test_authority_that_does_not_answer(tmp_path: Path) -> None:
    with TimeAuthority(tmp_path / "gone").running() as gone:
        url = gone.url

    with pytest.raises(TimestampError, match="did not answer"):
        TimestampAuthority(url).stamp(b"text")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "tsa.example.com", "https://u:p@tsa.example.com"])
def test_other_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        TimestampAuthority(url)


def test_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch(0o600)

    for path in (tmp_path / "empty.pem", tmp_path / "absent.pem"):
        with pytest.raises(ConfigurationError, match="certificates"):
            TimestampRoots.load(path, option="--timestamp-ca")
