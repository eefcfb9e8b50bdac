"""Implements ``telemetry log``: turns JSON lines on standard input into audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Annotated

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.ingest import with_mapping
from telemetry.cli.output.console import err, escape_markup, progress
from telemetry.cli.output.examples import examples
from telemetry.exceptions import BackpressureError, EventError, UndeliveredError
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.sync import Telemetry

BAD_LINES = 8
"""Exit code when some lines were not logged."""

# A longer line is read in pieces, each of which is reported as a bad line: memory stays bounded.
_MAX_LINE = 64 << 20
app = typer.Typer(add_completion=False)


@dataclass
class Counts:
    """Counts of the lines that were logged and of those that were not."""

    logged: int = 0
    bad: int = 0


@app.command(
    "log",
    epilog=examples(
        "telemetry log -c telemetry.toml < events.jsonl",
        "zcat cloudtrail.jsonl.gz | telemetry log -c telemetry.toml --event-type-field eventName --user-id-field "
        "userIdentity.arn,userIdentity.principalId --user-id unknown --field ip_address=sourceIPAddress",
    ),
)
@with_connection
@with_mapping
def log(
    load: Loader,
    mapping: LineMapping,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad line.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 60.0,
) -> None:
    """Log JSON lines from standard input as audit events.

    A path leads to a part of the line: user.name, target.0.id, annotations."example.com/decision" or a JSON Pointer such
    as /target/0/id; separate alternatives by commas. What does not fit an optional field is kept as metadata, and a path
    that led nowhere is named at the end. A bad line is reported with its number and skipped, unless --strict.

    Exit code: 0 when every line was logged, 8 when some were bad, 2 for a wrong configuration, 7 when some events could
    not be kept anywhere.
    """
    with Telemetry(load()) as telemetry:
        counts = _log_lines(telemetry, mapping, strict=strict)
        # Not left to the end of the block, because the counts come from the report.
        report = telemetry.shutdown(timeout)
    summary = {
        "logged": counts.logged,
        "bad": counts.bad,
        "delivered": report.delivered,
        "stored": report.stored,
        "spooled": report.spooled,
        "failed": report.failed,
    }
    for remark in mapping.tally.remarks():
        err.print(f"[yellow]{escape_markup(remark)}[/]")
    if json:
        sys.stdout.write(msgspec.json.encode(summary | {"mapping": mapping.tally.as_json()}).decode() + "\n")
    err.print("  ".join(f"[bold]{value}[/] {name}" for name, value in summary.items()))
    if counts.bad:
        raise typer.Exit(BAD_LINES)
    if report.failed:
        raise typer.Exit(UndeliveredError.exit_code)


def _log_lines(telemetry: Telemetry, mapping: LineMapping, *, strict: bool) -> Counts:
    counts = Counts()
    with progress("logging") as (bar, task):
        for number, line in _lines(sys.stdin.buffer):
            try:
                _log_line(telemetry, mapping, line)
            except (EventError, msgspec.DecodeError) as exc:
                counts.bad += 1
                reason = str(exc) if isinstance(exc, EventError) else "is not JSON"
                err.print(f"[yellow]line {number}:[/] {escape_markup(reason)}")
                if strict:
                    break
            else:
                counts.logged += 1
            bar.advance(task)
    return counts


def _log_line(telemetry: Telemetry, mapping: LineMapping, line: bytes) -> None:
    try:
        content = msgspec.json.decode(line)
    except (UnicodeDecodeError, RecursionError) as exc:
        message = "is not JSON in UTF-8, or is nested too deeply"
        raise EventError(message) from exc
    event_type, payload, user_id, fields = mapping.event(content)
    while True:
        try:
            telemetry.audit.log(event_type, payload, user_id, **fields)
        except BackpressureError:
            # Standard input can wait; an audit event must not be dropped because it came quickly.
            continue
        return


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(_MAX_LINE):
        number += 1
        # An empty line is no event, but it counts as a line for editors and so for the reported numbers.
        if line.strip():
            yield number, line
