"""Dead letters are sealed, private, bounded, and in a folder that nobody else may write to."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError, MalformedRecordError, StorageError
from telemetry.forward import dead_letters
from telemetry.forward.dead_letters import DeadLetters, letters_in
from telemetry.forward.delivery import Refusal
from telemetry.forward.letter_source import LetterSource
from telemetry.reader import DamagedRecord, Place, RawRecord
from tests.support.parcels import entry


def refusal(number: int) -> Refusal:
    return Refusal(entry(number).raw, "413")


def test_letters_are_read_back_at_their_places(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "letters", target="otlp")
    letters.keep([refusal(1), refusal(2), refusal(1)])
    (tmp_path / "letters" / "note.txt").write_text("not a letter")
    (tmp_path / "letters" / "torn.letter.jsonl").write_text('{"topic"')

    found = list(LetterSource(tmp_path / "letters"))

    assert [each.place for each in found if isinstance(each, RawRecord)] == [entry(1).place, entry(2).place]
    assert sum(isinstance(each, DamagedRecord) for each in found) == 1
    assert LetterSource(tmp_path / "letters").describe() == {"kind": "dead letters", "count": 3}
    assert DeadLetters(tmp_path / "letters", target="otlp").count == 3


def test_forwarded_letter_is_deleted_unless_refused_again(tmp_path: Path) -> None:
    DeadLetters(tmp_path, target="http").keep([refusal(1), refusal(2)])
    again = DeadLetters(tmp_path, target="http")
    again.keep([refusal(2)])
    again.remove(entry(1).place)
    again.remove(entry(2).place)

    assert [path.name.split(".")[2] for path in letters_in(tmp_path)] == [f"{2:020d}"]


def test_full_folder_leaves_the_record_to_the_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_LETTERS", 2)
    letters = DeadLetters(tmp_path, target="http")
    with caplog.at_level(logging.ERROR, "telemetry.forward"):
        letters.keep([refusal(number) for number in range(3)])

    assert len(list(letters_in(tmp_path))) == 2
    assert "audit-events[0]@2 was not forwarded: 413; it stays on the topic" in caplog.text


def test_lines_of_the_log_are_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(dead_letters, "MAX_LINES", 3)
    letters = DeadLetters(None, target="http")
    with caplog.at_level(logging.ERROR, "telemetry.forward"):
        for number in range(50):
            letters.report(Place("audit-events", 0, number), MalformedRecordError("not a record"))

    assert 3 <= len(caplog.records) <= 7  # a minute may end in between


def test_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigurationError, match="--dead-letters"):
        DeadLetters(tmp_path / "open", target="http")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="--dead-letters"):
        DeadLetters(tmp_path / "file" / "letters", target="http")


def test_folder_that_disappears(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "letters", target="http")
    (tmp_path / "letters").rmdir()
    with pytest.raises(StorageError, match="nothing is forwarded"):
        letters.keep([refusal(1)])


def test_record_that_is_no_text(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, target="http")
    letters.keep([Refusal(RawRecord(b"\xff", b"\xfe", Place("audit-events", 0, 1)), "400")])
    assert list(letters_in(tmp_path)) == []
