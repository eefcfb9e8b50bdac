"""``telemetry archive hold`` and ``redact`` find a person by user and service, and never by the archiver's own name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.in_process import Ended, run
from tests.support.kept_archive import KeptArchive


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=1)
    return kept


def _archive(archive: KeptArchive, *words: str) -> Ended:
    return run("archive", *words, "-c", str(archive.file()))


@pytest.mark.parametrize("words", [("hold", "--reason", "a case"), ("redact", "--request", "DSR-1", "--dry-run")])
def test_user_without_service_is_refused(archive: KeptArchive, words: tuple[str, ...]) -> None:
    # The archiver's own service name would find nobody: a hold that protects nothing, and a request that seems fulfilled.
    ended = _archive(archive, *words, "--user", "user-1")

    assert ended.code == 2
    assert "--service: is missing (name the service" in ended.err
    assert not (archive.folder / "archive/evidence/holds").exists()


def test_hold_refuses_the_redaction(archive: KeptArchive) -> None:
    person = ("--user", "user-1", "--service", "payments")
    redact = ("redact", *person, "--request", "DSR-1", "--dry-run")
    before = _archive(archive, *redact, "--json")
    assert before.code == 0, before.err
    assert json.loads(before.out)["events"] == 13

    held = _archive(archive, "hold", *person, "--reason", "case 2026-17", "--json")
    assert json.loads(held.out)["scope"] == "one user, service payments"
    refused = _archive(archive, *redact)
    other = _archive(archive, *redact[:2], "user-2", *redact[3:])

    assert (refused.code, other.code) == (7, 0)
    assert "case 2026-17" in refused.err
    assert "user-1" not in refused.err + held.out.decode() + refused.out.decode()


def test_request_that_finds_nothing_says_where_to_look(archive: KeptArchive) -> None:
    ended = _archive(archive, "redact", "--user", "user-1", "--service", "shop", "--request", "DSR-1")

    assert ended.code == 0
    assert "look at user and service" in " ".join(ended.err.split())


@pytest.mark.parametrize("command", ["compact", "redact", "expire", "hold", "release"])
def test_extra_that_is_missing_is_named(command: str) -> None:
    program = (
        "import sys\nsys.modules['pyarrow'] = None\nfrom telemetry.cli import main\n"
        f"sys.argv = ['telemetry', 'archive', {command!r}, '--help']\nmain()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2, ended.stderr
    assert "telemetry-audit[archive]" in ended.stderr
    assert "Traceback" not in ended.stderr
