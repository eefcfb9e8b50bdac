"""Runs the archiver of ``telemetry archive``, and shows what it does."""

from __future__ import annotations

import sys
from dataclasses import asdict

import msgspec

from telemetry.archive.writing.counts import ArchiveCounts
from telemetry.archive.writing.run import ArchiveRun
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import err, write_line
from telemetry.config import ArchiveConfig, TelemetryConfig
from telemetry.exceptions import IncompleteError
from telemetry.ingest.stop_signals import StopSignals
from telemetry.system.worker import Worker

_SHOW_SECONDS = 10.0
_STOP_SECONDS = 5.0


def run_archiver(config: TelemetryConfig, *, uri: str | None, once: bool, every: float | None, json: bool) -> int:
    """Archive until a signal comes, or once; return the exit code.

    Args:
        config: The trail and the archive.
        uri: Place of the archive, instead of that of the configuration.
        once: Whether to end when what is there now is archived.
        every: Seconds between two commits; None for what the configuration says.
        json: Whether to print the counts as JSON.

    Raises:
        TelemetryError: It cannot begin, or cannot go on.
    """
    archive = config.archive_config or ArchiveConfig()
    with StopSignals() as stop:
        if once:
            counts = ArchiveRun(config, uri=uri, stop=stop, display=Bars()).once()
        else:
            run = ArchiveRun(config, uri=uri, stop=stop)
            with _Shown(run):
                counts = run.every(every or archive.every_seconds)
    if json and sys.stdout is not None:
        write_line(msgspec.json.encode(asdict(counts)).decode())
    _show(counts)
    return IncompleteError.exit_code if counts.lost else 0


class _Shown:
    """Shows what a run has done, every few seconds while it changes."""

    def __init__(self, run: ArchiveRun) -> None:
        self._run = run
        self._worker = Worker("telemetry-archive-status", self._show_until_stopped)

    def __enter__(self) -> None:
        self._worker.start()

    def __exit__(self, *_error: object) -> None:
        self._worker.stop(_STOP_SECONDS)

    def _show_until_stopped(self) -> None:
        shown = self._run.counts
        while not self._worker.rest(_SHOW_SECONDS):
            counts = self._run.counts
            if counts.commits != shown.commits:
                _show(counts)
            shown = counts


def _show(counts: ArchiveCounts) -> None:
    seal = "nothing committed" if counts.number is None else f"seal {counts.number}"
    parts = {"rows": counts.rows, "commits": counts.commits, "behind": counts.lag_records}
    parts |= {"objects": counts.objects} if counts.objects else {}
    parts |= {"objects wait": counts.waiting_objects} if counts.waiting_objects else {}
    parts |= {"failures": counts.failures} if counts.failures else {}
    line = "  ".join(f"[bold]{value:,}[/] {name}" for name, value in parts.items())
    lost = f"  [bold red]{counts.lost:,} lost[/]" if counts.lost else ""
    err.print(f"{seal}: {line}{lost}")
