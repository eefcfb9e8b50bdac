"""``telemetry doctor``: look at everything a trail needs, and say what to do."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from telemetry.cli.connection import Loader, with_connection
from telemetry.cli.console import neutral, out
from telemetry.doctor import CheckResult, Report, Status, examine, refused_configuration
from telemetry.exceptions import ConfigurationError

_MARKS = {
    Status.OK: "[green]ok     [/]",
    Status.WARNING: "[yellow]warning[/]",
    Status.FAILED: "[bold red]failed [/]",
    Status.SKIPPED: "[dim]skipped[/]",
}
_WIDTH = 18


@with_connection
def doctor(
    load: Loader,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=60.0, help="Seconds for each question to Kafka.")] = 5.0,
) -> None:
    """Check configuration, key, Kafka, fallback store, spool, disk and clock; nothing is written to the topic.

    Ends with 0 if nothing failed (warnings are no failure), else with the code of the first failure: 2 configuration,
    5 key, 6 Kafka or fallback store, 1 anything else.

    [bold]Example[/]

      telemetry doctor -c telemetry.toml --json
    """
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
