"""Prints the results of checks, one a line, with what to do below."""

from __future__ import annotations

from telemetry.cli.output.console import escape_markup, out
from telemetry.doctor import CheckResult, Report, Status

MARKS = {
    Status.OK: "[green]ok     [/]",
    Status.WARNING: "[yellow]warning[/]",
    Status.FAILED: "[bold red]failed [/]",
    Status.SKIPPED: "[dim]skipped[/]",
}
CHECK_WIDTH = 18


def show_result(result: CheckResult) -> None:
    """Print one result, and below it what to do."""
    out.print(f"{MARKS[result.status]} {result.check:{CHECK_WIDTH}} {escape_markup(result.message)}")
    if result.remedy and result.status is not Status.OK:
        out.print(f"        {'':{CHECK_WIDTH}} [bold]->[/] {escape_markup(result.remedy)}")


def conclude(report: Report) -> None:
    """Print how many checks failed."""
    failed = sum(result.status is Status.FAILED for result in report.results)
    warned = sum(result.status is Status.WARNING for result in report.results)
    verdict = f"[bold red]{failed} failed[/]" if failed else "[green]nothing failed[/]"
    out.print(f"\n{verdict}, {warned} warnings")
