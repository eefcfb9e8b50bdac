"""The suite must be able to fail: each kind of harm has its name and exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from telemetry.cli.app import app
from telemetry.exceptions import ConfigurationError, IncompleteError, TelemetryError
from telemetry.sync import Telemetry
from telemetry.testing.faults import suite as faults
from telemetry.testing.faults.lab import FaultCounts, FaultLab
from telemetry.testing.faults.suite import FaultOutcome, FaultResult, run_faults


def _only(monkeypatch: pytest.MonkeyPatch, cause: object) -> None:
    monkeypatch.setattr(faults, "_FAULTS", {"invented": cause})


def test_vanished_event_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(lab: FaultLab, _rounds: int) -> tuple[FaultCounts, str]:
        lab.kafka.stop_brokers()
        with Telemetry(lab.config()) as telemetry:
            lab.log(telemetry, 3)
            counts = lab.shut_down(telemetry)
        shutil.rmtree(lab.store)
        lab.kafka.start_brokers()
        return FaultCounts(counts.logged, stored=counts.stored, missing=lab.missing()), "the store was emptied"

    _only(monkeypatch, lose)

    (result,) = run_faults(tmp_path)

    assert result.outcome is FaultOutcome.FAILED
    assert result.exit_code == IncompleteError.exit_code
    assert (result.counts.stored, result.counts.missing) == (3, 3)
    assert result.message == "the store was emptied; the events are not all accounted for"


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (TelemetryError("stuck"), FaultOutcome.FAILED, 1),
        (IncompleteError("two events are missing"), FaultOutcome.FAILED, 4),
        (OSError(28, "No space left on device"), FaultOutcome.FAILED, 1),
        (faults._NotPossibleError("not on this system"), FaultOutcome.SKIPPED, 0),
    ],
)
def test_fault_that_ends_with_an_error(
    error: Exception, outcome: FaultOutcome, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_lab: FaultLab, _rounds: int) -> tuple[FaultCounts, str]:
        raise error

    _only(monkeypatch, fail)
    reported: list[FaultResult] = []

    results = run_faults(tmp_path, on_result=reported.append)

    assert results == reported
    assert (results[0].outcome, results[0].exit_code) == (outcome, code)
    assert str(error) in results[0].message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_exit_code_of_the_first_failure(as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(_lab: FaultLab, _rounds: int) -> tuple[FaultCounts, str]:
        return FaultCounts(logged=2, delivered=1), "one too few"

    _only(monkeypatch, lie)

    done = CliRunner().invoke(app, ["doctor", "--faults", str(tmp_path), *(["--json"] if as_json else [])])

    assert done.exit_code == 4
    if as_json:
        report = json.loads(done.stdout)
        assert (report["ok"], report["exit_code"], report["faults"][0]["outcome"]) == (False, 4, "failed")
    else:
        assert "one too few; the events are not all accounted for" in done.stdout
        assert "1 failed" in done.stdout


@pytest.mark.parametrize("rounds", [0, 10_001])
def test_rounds_out_of_range_are_refused(rounds: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rounds"):
        run_faults(tmp_path, rounds=rounds)


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run_faults(tmp_path / "absent")
