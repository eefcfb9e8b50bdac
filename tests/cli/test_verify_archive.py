"""``telemetry verify --from archive`` verifies an archive without any broker, and refuses what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.archived_trail import ARCHIVER, ArchivedTrail
from tests.support.in_process import Ended, run
from tests.support.same_report import in_places
from tests.support.written_trail import Process, Signer, topic


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archived") / "archive"
    records = in_places(topic([*Process(1).run(95), *Process(2).run(45)], partitions=2))
    trail = ArchivedTrail(folder)
    trail.append(records[:70])
    trail.append(records[70:])
    return folder


def verify(archive: Path, *options: str, keys: tuple[Signer, ...] = (Signer(), ARCHIVER)) -> Ended:
    named = [text for key in keys for text in ("--public-key", key.public_key)]
    return run("verify", "--from", "archive", "--archive", str(archive), *named, *options, environment={})


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_archive_is_verified(archive: Path, jobs: str) -> None:
    done = verify(archive, "--json", "--jobs", jobs)

    report = json.loads(done.out)
    assert (done.code, report["verdict"], report["proven"]) == (0, "complete", 140)
    assert report["archive"] == {
        "name": str(archive),
        "seal": 1,
        "sealed_at": "2026-01-03T00:00:01.000000Z",
        "is_judged": True,
        "files": 2,
        "rows": 155,
        "redacted": 0,
        "ended": 0,
        "jobs": int(jobs),
        "is_leaves_only": False,
        "notes": report["archive"]["notes"],
    }


def test_people_see_the_archive_and_its_seal(archive: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = verify(archive, "--report", str(page))

    assert b"seal 1 of 2026-01-03T00:00:01.000000Z: 2 files, 155 rows" in b" ".join(done.out.split())
    assert str(archive) in page.read_text("utf-8")


def test_unknown_archiver_is_named(archive: Path) -> None:
    done = verify(archive, keys=(Signer(),))

    assert done.code == 4
    assert "no trusted key signed it" in " ".join(done.err.split())


def test_expected_seal_that_is_absent(archive: Path) -> None:
    done = verify(archive, "--expect-seal", "2")

    assert done.code == 4
    assert "the auditor expects the seal 2" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--state", "audit.state"), "--state"),
        (("--file", "copy.jsonl"), "--from, --file"),
        (("--expect-seal", "last"), "--expect-seal"),
        (("--require-witness", Signer(5, "witness").public_key), "--require-witness"),
    ],
)
def test_option_that_does_not_fit(archive: Path, options: tuple[str, ...], named: str) -> None:
    done = verify(archive, *options)

    assert done.code == 2
    assert named in done.err


@pytest.mark.parametrize("option", [("--jobs", "2"), ("--expect-seal", "1"), ("--archive", "somewhere")])
def test_option_without_an_archive(option: tuple[str, str]) -> None:
    done = run("verify", "--brokers", "127.0.0.1:1", "--public-key", Signer().public_key, *option, environment={})

    assert done.code == 2
    assert option[0] in done.err


def test_place_without_seals_is_no_archive(tmp_path: Path) -> None:
    done = verify(tmp_path)

    assert done.code == 2
    assert "has no seal" in " ".join(done.err.split())
