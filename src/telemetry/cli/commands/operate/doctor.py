"""Implements ``telemetry doctor``: examines everything that a trail needs, and says what to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.check_lines import CHECK_WIDTH, MARKS, conclude, show_result
from telemetry.cli.output.console import escape_markup, out, progress, write_line
from telemetry.cli.output.examples import examples
from telemetry.doctor import CheckResult, Status, examine, refused_configuration
from telemetry.exceptions import ConfigurationError

if TYPE_CHECKING:
    from telemetry.testing.faults.suite import FaultResult

_OUTCOMES = {"ok": MARKS[Status.OK], "failed": MARKS[Status.FAILED], "skipped": MARKS[Status.SKIPPED]}

app = typer.Typer(add_completion=False)


@app.command(
    "doctor",
    epilog=examples("telemetry doctor -c telemetry.toml --json", "telemetry doctor --faults /var/tmp"),
)
@with_connection
def doctor(
    load: Loader,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60.0, help="Seconds to wait for each answer from Kafka.")
    ] = 5.0,
    faults: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run the fault suite instead: it really kills, cuts off, fills and hangs things in a scratch folder below DIR, "
            "for about half a minute.",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=10_000, help="With --faults: number of logging processes to kill.")
    ] = 5,
) -> None:
    """Check configuration, key, Kafka, fallback store, spool, disk and clock; nothing is written to the topic.

    Exit code: 0 if nothing failed (a warning is not a failure), else that of the first failure: 2 configuration, 5 key,
    6 Kafka or fallback store, 1 anything else.

    With --faults no configuration is needed and no server is touched: Kafka is embedded, key and store are local. A fault
    that this user cannot cause is skipped. Exit code: 0 if every promise held, else that of the first that did not: 4 an
    event is missing or not accounted for, 1 anything else.
    """
    if faults is not None:
        _run_fault_suite(faults, rounds=rounds, as_json=as_json)
        return
    try:
        config = load()
    except ConfigurationError as exc:
        # A configuration that cannot be loaded is the first finding, not a failure of the doctor.
        report = refused_configuration(exc)
        for result in () if as_json else report.results:
            show_result(result)
    else:
        # Each result is shown at once: a server that is away takes seconds to examine.
        report = examine(config, timeout=timeout, on_result=_ignore if as_json else show_result)
    if as_json:
        write_line(msgspec.json.encode(report.as_dict()).decode())
    else:
        conclude(report)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _run_fault_suite(folder: Path, *, rounds: int, as_json: bool) -> None:
    from telemetry.testing.faults.suite import FAULTS, run_faults

    lines = logging.getLogger("telemetry")
    if lines.level > logging.INFO:
        # Every fault causes the error lines that it should, which would only alarm the reader. --verbose shows them.
        lines.setLevel(logging.CRITICAL)
    try:
        with progress("faults", total=len(FAULTS)) as (bar, task):
            results = run_faults(folder, rounds=rounds, on_result=lambda _result: bar.advance(task))
    except ConfigurationError as exc:
        # A script finds JSON on standard output in this case too.
        if as_json:
            refused = {"ok": False, "exit_code": exc.exit_code, "faults": [], "error": str(exc)}
            write_line(msgspec.json.encode(refused).decode())
        raise
    exit_code = next((result.exit_code for result in results if result.exit_code), 0)
    if as_json:
        report = {"ok": exit_code == 0, "exit_code": exit_code, "faults": [result.as_dict() for result in results]}
        write_line(msgspec.json.encode(report).decode())
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
        out.print(f"{_OUTCOMES[result.outcome]} {result.name:{CHECK_WIDTH}} {escape_markup(result.message)}")
    failed = sum(bool(result.exit_code) for result in results)
    out.print(f"\n[bold red]{failed} failed[/]" if failed else "\n[green]every promise held[/]")


def _ignore(_result: CheckResult) -> None:
    """Print nothing now: with ``--json`` the whole report is printed at the end."""
