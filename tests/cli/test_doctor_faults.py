from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telemetry.testing.faults.suite import FAULTS
from tests.support.in_process import run
from tests.support.until import until


def test_whole_suite_passes_and_leaves_nothing(tmp_path: Path) -> None:
    done = run("doctor", "--faults", str(tmp_path), "--rounds", "2", "--json")

    assert done.code == 0, done.out.decode() + done.err
    report: dict[str, Any] = json.loads(done.out)
    assert (report["ok"], report["exit_code"]) == (True, 0)
    assert [fault["fault"] for fault in report["faults"]] == list(FAULTS)
    for fault in report["faults"]:
        counts = fault["counts"]
        settled = sum(counts[name] for name in ("raised", "delivered", "stored", "spooled", "failed"))
        assert fault["outcome"] == "ok" or fault["fault"] == "store read-only", fault
        assert counts["logged"] == settled
        assert counts["logged"] > 0 or fault["outcome"] == "skipped"
        assert counts["missing"] == counts["failed"] == 0
    assert list(tmp_path.iterdir()) == []
    assert done.err == ""


@pytest.mark.parametrize("options", [("--faults", "/nowhere/at/all"), ("--faults", ".", "--rounds", "0")])
def test_unusable_folder_or_number(options: tuple[str, ...]) -> None:
    done = run("doctor", *options)

    assert done.code == 2
    assert done.err


def test_unusable_folder_is_reported_as_json(tmp_path: Path) -> None:
    done = run("doctor", "--faults", str(tmp_path / "absent"), "--json")

    report: dict[str, Any] = json.loads(done.out)
    assert (done.code, report["exit_code"], report["ok"], report["faults"]) == (2, 2, False, [])
    assert "cannot be written" in report["error"]


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGINT for one process")
def test_interrupt_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "of the user").write_text("kept")
    with subprocess.Popen(
        [sys.executable, "-m", "telemetry", "doctor", "--faults", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as doctor:
        until(lambda: list(tmp_path.glob("telemetry-faults-*/0/spool/*")), what="the first process's spool")
        doctor.send_signal(signal.SIGINT)
        _, err = doctor.communicate(timeout=180)

    assert doctor.returncode == 130
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["of the user"]
