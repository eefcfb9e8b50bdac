"""``telemetry archive compact``, ``redact``, ``expire``, ``hold`` and ``release``, as docs/archive.md shows them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.services.kafka import KafkaBroker
from tests.support.in_process import Ended, run
from tests.support.kept_archive import KeptArchive

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
SECTIONS = ("Compaction", "Redaction", "Retention and legal holds")


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=3)
    return kept


def command(archive: KeptArchive, *words: str, code: int = 0) -> Ended:
    done = run("archive", *words, "-c", str(archive.file()))
    assert done.code == code, (done.code, done.out, done.err)
    return done


def lines(done: Ended) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.out.splitlines()]


def written_commands() -> list[list[str]]:
    text = PAGE.read_text("utf-8")
    commands = []
    for section in SECTIONS:
        part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL):
            commands += [shlex.split(line)[2:] for line in block.splitlines()]
    return commands


def test_compact_says_what_it_does_and_did(archive: KeptArchive) -> None:
    (planned, _) = lines(command(archive, "compact", "--dry-run", "--json"))
    assert (planned["files"], planned["rows"], planned["seal"]) == (3, 45, None)

    done, cleaned = lines(command(archive, "compact", "--json"))

    assert (done["day"], done["files"], done["new_files"], done["seal"]) == ("2026-01-02", 3, 1, 3)
    assert cleaned == {"cleaned": {"deleted": 0, "bytes": 0, "waiting": 3, "foreign": 0, "refused": 0}}
    assert lines(command(archive, "compact", "--json"))[0]["cleaned"]["deleted"] == 3  # type: ignore[index]
    archive.require_whole()
    archive.require_table()


def test_compact_takes_days_that_are_not_closed(archive: KeptArchive) -> None:
    assert len(lines(command(archive, "compact", "--older-than", "100000", "--json"))) == 1
    assert len(lines(command(archive, "compact", "--day", "2026-01-02", "--json"))) == 2
    command(archive, "compact", "--day", "yesterday", code=2)


def test_altered_file_ends_with_3(archive: KeptArchive) -> None:
    archive.require_table()
    path = Path(str(archive.storage.base_path)) / archive.state().live.files()[0].name
    path.write_bytes(path.read_bytes()[:-9] + b"?" + path.read_bytes()[-8:])

    done = command(archive, "compact", code=3)

    assert "is not rewritten" in done.err
    assert archive.state().seal.number == 2


def test_expire_by_catalogue_and_default(archive: KeptArchive, tmp_path: Path) -> None:
    catalog = tmp_path / "payments.json"
    catalog.write_text(json.dumps(a_document(payment="30d")))

    (planned, _) = lines(command(archive, "expire", "--catalog", str(catalog), "--dry-run", "--json"))
    assert planned == {"day": "2026-01-02", "ended": "payment: 30d", "rows": 40, "seal": None}
    command(archive, "expire", "--catalog", str(catalog))

    report = archive.require_whole()
    assert report.archive is not None
    assert report.archive.ended == 40
    command(archive, "expire", code=2)
    command(archive, "expire", "--default", "soon", code=2)


def test_hold_keeps_what_it_covers_until_its_release(archive: KeptArchive) -> None:
    (held,) = lines(
        command(archive, "hold", "--user", "user-1", "--service", "payments", "--reason", "case 17", "--json")
    )
    assert "user-1" not in json.dumps(held)

    done = command(archive, "expire", "--default", "30d")
    assert "13 rows" in done.err
    refused = command(archive, "redact", "--user", "user-1", "--service", "payments", "--request", "DSR-1", code=7)
    assert str(held["id"]) in refused.err
    assert lines(command(archive, "hold", "--list", "--json")) == [held]

    command(archive, "release", str(held["id"]), "--reason", "case closed")

    assert lines(command(archive, "hold", "--list", "--json")) == []
    command(archive, "expire", "--default", "30d")
    assert not any(row["kind"] == "event" for row in archive.rows())
    archive.require_whole()
    stored = b"".join(path.read_bytes() for path in (archive.folder / "archive" / "evidence").rglob("*.*"))
    assert b"user-1" not in stored


def test_hold_that_is_not_believed_stops_it(archive: KeptArchive) -> None:
    hold = "019c1180-09ad-7383-9790-0a5e588d6c7f"
    with archive.store() as store:
        store.put(f"evidence/holds/{hold}.hold", b"rubbish")

    assert "is not believed" in command(archive, "expire", "--default", "30d", code=3).err
    command(archive, "release", hold, "--reason", "rubbish")
    command(archive, "expire", "--default", "30d")


def test_redaction_that_cannot_be_recorded_redacts_nothing(archive: KeptArchive) -> None:
    done = command(archive, "redact", "--user", "user-1", "--service", "payments", "--request", "DSR-1", code=7)

    assert "nothing was redacted" in done.err
    assert archive.state().seal.number == 2


def test_reason_must_not_name_the_person(archive: KeptArchive) -> None:
    command(archive, "redact", "--user", "user-1", "--service", "payments", "--request", "erase user-1", code=2)
    command(archive, "redact", "--request", "DSR-1", code=2)
    command(archive, "redact", "--id", "x", "--request", "DSR-1", code=2)


def test_commands_of_the_page_run(
    archive: KeptArchive, kafka: KafkaBroker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(archive.folder)
    (archive.folder / "payments.json").write_text(json.dumps(a_document(payment="30d")))
    archive.file(brokers=kafka.audit_options("PLAINTEXT")["kafka_brokers"], topic=topic)
    commands = written_commands()
    assert {words[0] for words in commands} == {"compact", "redact", "expire", "hold", "release"}

    held = ""
    for words in commands:
        adapted = [held if word == "HOLD_ID" else word.replace("user-123", "user-1") for word in words]
        done = run("archive", *adapted)
        assert done.code == 0, (words, done.err)
        if "--list" in words:
            held = str(lines(run("archive", *adapted, "--json"))[-1]["id"])

    report = archive.require_whole()
    assert report.archive is not None
    assert report.archive.ended == 40


def test_redaction_is_recorded_first(archive: KeptArchive, kafka: KafkaBroker, topic: str) -> None:
    file = str(archive.file(brokers=kafka.audit_options("PLAINTEXT")["kafka_brokers"], topic=topic))

    done = run(
        "archive", "redact", "--user", "user-1", "--service", "payments", "--request", "DSR-1", "--json", "-c", file
    )

    assert done.code == 0, done.err
    redacted, left = lines(done)
    assert (redacted["events"], redacted["files"]) == (13, 3)
    assert left == {"left": {"refused": 0, "versions": 0, "until": None}}
    recorded = run("tail", "--json", "--type", "telemetry.redacted", "-c", file)
    (event,) = [json.loads(line) for line in recorded.out.splitlines() if b"telemetry.redacted" in line]
    assert event["payload"]["events"] == 13
    assert event["payload"]["description"]["request"] == "DSR-1"
    assert "user-1" not in json.dumps(event)
    assert {path.name for path in (archive.folder / "archive" / "events" / "data").rglob("*.parquet")} == {
        Path(name).name for name in archive.state().live
    }
    archive.require_whole()
    archive.require_table()


def a_document(**retentions: str) -> dict[str, object]:
    types = {
        name: {
            "type": "object",
            "x-telemetry-event": {"catalog": "shop", "catalog_version": "1", "retention": retention},
        }
        for name, retention in retentions.items()
    }
    about = {"format": 1, "name": "shop", "version": "1", "unknown": "allow"}
    return {"x-telemetry-catalog": about, "$defs": types}
