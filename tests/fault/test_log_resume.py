"""Kills an import at random moments and lets it go on: each line is in the trail once.

``make test`` kills ten processes an input; ``LOG_SIGNAL_RUNS=100`` kills thirty.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.command_processes import CommandProcesses
from tests.support.import_site import ImportSite, counts_of, lines_of

KILLS = int(os.environ.get("LOG_SIGNAL_RUNS", "30")) // 3
LINES = 2_000


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[CommandProcesses]:
    with CommandProcesses(tmp_path) as started:
        yield started


@pytest.mark.parametrize(
    ("has_spool", "end"), [(True, b"\n"), (False, b"\n"), (True, b"")], ids=["spool", "no spool", "joined"]
)
def test_killed_import_goes_on_without_repeats(
    kafka: EmbeddedKafka, processes: CommandProcesses, tmp_path: Path, has_spool: bool, end: bytes
) -> None:
    site = ImportSite(kafka, tmp_path, has_spool=has_spool)
    data = lines_of(range(LINES)).splitlines()
    data[5], data[1_500] = b'{"not":NaN}', b'{"event_type":"no user"}'
    source, bad = tmp_path / "input.jsonl", tmp_path / "bad.jsonl"
    source.write_bytes(end.join(data))
    options = ("log", "-c", str(site.config), "--resume", str(tmp_path / "state"), "--bad-lines", str(bad), "--json")
    dice = random.Random(29)  # noqa: S311 - moments, no secret
    killed = 0
    for _ in range(KILLS):
        process, folder = processes.start(source, *options)
        ran = processes.kill_after(process, folder, seconds=dice.uniform(0.3, 2.5))
        killed += ran.code == -signal.SIGKILL

    last = processes.run(source, *options)

    assert killed, "every import ended before it was killed"
    assert last.code in (0, 8), last.err
    assert site.numbers() == [n for n in range(LINES) if n not in (5, 1_500)]
    assert sorted(bad.read_bytes().splitlines()) == sorted([data[5], data[1_500]])
    assert site.faults() == [] or not has_spool


def test_finished_import_logs_nothing_again(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    site = ImportSite(kafka, tmp_path)
    state = tmp_path / "state"

    first = counts_of(site.log(lines_of(range(100)), "--resume", str(state), "--json"))
    again = counts_of(site.log(lines_of(range(100)), "--resume", str(state), "--json"))
    grown = counts_of(site.log(lines_of(range(110)), "--resume", str(state), "--json"))

    assert [counts["logged"] for counts in (first, again, grown)] == [100, 0, 10]
    assert [counts["skipped"] for counts in (first, again, grown)] == [0, 100, 100]
    assert site.numbers() == list(range(110))
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "user-1" not in state.read_text()


@pytest.mark.parametrize("other", [lines_of(range(1, 200)), lines_of(range(99)), b""])
def test_other_input_is_refused(kafka: EmbeddedKafka, tmp_path: Path, other: bytes) -> None:
    site = ImportSite(kafka, tmp_path)
    options = ("--resume", str(tmp_path / "state"))
    assert site.log(lines_of(range(100)), *options).code == 0

    ended = site.log(other, *options)

    assert ended.code == 2
    assert "not the one" in ended.err
    assert site.numbers() == list(range(100))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"version":9,"import_id":"x"}',
        '{"version":1,"import_id":"x","lines":3}',
        '{"version":1,"import_id":"x","lines":3,"marks":{"3":"zz"}}',
        '{"version":1,"import_id":"x","lines":3,"marks":{"3":"\u00e9"}}',
        '{"version":1,"import_id":"x","bad_bytes":-5}',
    ],
)
def test_state_that_cannot_be_used_is_refused(kafka: EmbeddedKafka, tmp_path: Path, content: str) -> None:
    site = ImportSite(kafka, tmp_path)
    (tmp_path / "state").write_text(content)

    ended = site.log(lines_of(range(3)), "--resume", str(tmp_path / "state"))

    assert ended.code == 2
    assert "--resume" in ended.err
    assert (tmp_path / "state").read_text() == content


def test_bad_lines_never_share_the_state(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    site = ImportSite(kafka, tmp_path)
    one, again = tmp_path / "one", tmp_path / "fallback" / ".." / "one"

    ended = site.log(lines_of(range(3)), "--resume", str(one), "--bad-lines", str(again))

    assert ended.code == 2
    assert "file of --resume" in ended.err
    assert not one.exists()


def test_events_of_an_import_have_the_same_key_again(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    site = ImportSite(kafka, tmp_path)
    state = tmp_path / "state"
    assert site.log(lines_of(range(3)), "--resume", str(state)).code == 0
    begun = json.loads(state.read_text())
    state.write_text(json.dumps({"version": 1, "import_id": begun["import_id"]}))

    # As after a crash before anything was remembered.
    assert site.log(lines_of(range(3)), "--resume", str(state)).code == 0

    assert site.numbers() == [0, 1, 2]
