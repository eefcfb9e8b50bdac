"""``telemetry doctor``: look at everything a trail needs, and say what to do."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import neutral, out, progress
from telemetry.doctor import CheckResult, Report, Status, examine, refused_configuration
from telemetry.exceptions import ConfigurationError

if TYPE_CHECKING:
    from telemetry.testing.faults.suite import FaultResult

_MARKS = {
    Status.OK: "[green]ok     [/]",
    Status.WARNING: "[yellow]warning[/]",
    Status.FAILED: "[bold red]failed [/]",
    Status.SKIPPED: "[dim]skipped[/]",
}
_OUTCOMES = {"ok": _MARKS[Status.OK], "failed": _MARKS[Status.FAILED], "skipped": _MARKS[Status.SKIPPED]}
_WIDTH = 18


@with_connection
def doctor(
    load: Loader,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=60.0, help="Seconds for each question to Kafka.")] = 5.0,
    faults: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Instead: really kill, cut off, fill and hang things in a scratch folder below DIR, about half a minute.",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --faults: how many logging processes are killed.")
    ] = 5,
) -> None:
    """Check configuration, key, Kafka, fallback store, spool, disk and clock; nothing is written to the topic.

    Ends with 0 if nothing failed (warnings are no failure), else with the code of the first failure: 2 configuration,
    5 key, 6 Kafka or fallback store, 1 anything else.

    With --faults no configuration is needed and no server is touched: Kafka is embedded, key and store are local. Ends
    with 0 if every promise held (a fault that this user cannot make is skipped), else with the code of the first that
    did not: 4 an event is missing or not accounted for, 1 anything else.

    [bold]Examples[/]

      telemetry doctor -c telemetry.toml --json

      telemetry doctor --faults /var/tmp
    """
    if faults is not None:
        _make_faults(faults, rounds=rounds, as_json=as_json)
        return
    try:
        config = load()
    except ConfigurationError as exc:
        report = refused_configuration(exc)
        for result in () if as_json else report.results:
            _show(result)
    else:
        report = examine(config, timeout=timeout, on_result=_ignore if as_json else _show)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report.as_dict()).decode() + "\n")
    else:
        _conclude(report)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _make_faults(folder: Path, *, rounds: int, as_json: bool) -> None:
    from telemetry.testing.faults.suite import FAULTS, run_faults  # noqa: PLC0415 - no other command needs it

    lines = logging.getLogger("telemetry")
    if lines.level > logging.INFO:
        # Every fault makes the error lines that it should; they would only frighten. --verbose shows them.
        lines.setLevel(logging.CRITICAL)
    try:
        with progress("faults", total=len(FAULTS)) as (bar, task):
            results = run_faults(folder, rounds=rounds, on_result=lambda _result: bar.advance(task))
    except ConfigurationError as exc:
        if as_json:
            refused = {"ok": False, "exit_code": exc.exit_code, "faults": [], "error": str(exc)}
            sys.stdout.write(msgspec.json.encode(refused).decode() + "\n")
        raise
    exit_code = next((result.exit_code for result in results if result.exit_code), 0)
    if as_json:
        told = {"ok": exit_code == 0, "exit_code": exit_code, "faults": [result.as_dict() for result in results]}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        _show_faults(results)
    if exit_code:
        raise typer.Exit(exit_code)


def _show_faults(results: Sequence[FaultResult]) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("fault", no_wrap=True)
    for title in (*results[0].counts.as_dict(), "s"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        counts = (f"{count:,}" if count else "" for count in result.counts.as_dict().values())
        table.add_row(result.name, *counts, f"{result.seconds:.1f}")
    out.print(table)
    out.print()
    for result in results:
        out.print(f"{_OUTCOMES[result.outcome]} {result.name:{_WIDTH}} {_plain(result.message)}")
    failed = sum(bool(result.exit_code) for result in results)
    out.print(f"\n[bold red]{failed} failed[/]" if failed else "\n[green]every promise held[/]")


def _show(result: CheckResult) -> None:
    out.print(f"{_MARKS[result.status]} {result.check:{_WIDTH}} {_plain(result.message)}")
    if result.remedy and result.status is not Status.OK:
        out.print(f"        {'':{_WIDTH}} [bold]->[/] {_plain(result.remedy)}")


def _conclude(report: Report) -> None:
    failed = sum(result.status is Status.FAILED for result in report.results)
    warned = sum(result.status is Status.WARNING for result in report.results)
    verdict = f"[bold red]{failed} failed[/]" if failed else "[green]nothing failed[/]"
    out.print(f"\n{verdict}, {warned} warnings")


def _plain(text: str) -> str:
    return neutral(text).replace("[", r"\[")


def _ignore(_result: CheckResult) -> None:
    """With ``--json`` the report is printed at the end."""
