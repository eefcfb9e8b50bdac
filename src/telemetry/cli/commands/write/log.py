"""Implements ``telemetry log``: turns JSON lines on standard input into audit events."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from telemetry.cli.feeding.metrics_option import MetricsAddress, serving_metrics
from telemetry.cli.feeding.options import FeedOptions, with_feed
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.ingest import with_mapping
from telemetry.cli.output.console import err, escape_markup, fail
from telemetry.cli.output.examples import examples
from telemetry.ingest.mapping.line_mapping import LineMapping

app = typer.Typer(add_completion=False)


@app.command(
    "log",
    epilog=examples(
        "telemetry log -c telemetry.toml --bad-lines bad.jsonl < events.jsonl",
        "zcat cloudtrail.jsonl.gz | telemetry log -c telemetry.toml --event-type-field eventName --user-id-field "
        "userIdentity.arn,userIdentity.principalId --user-id unknown --field ip_address=sourceIPAddress",
    ),
)
@with_connection
@with_mapping
@with_feed
def log(
    load: Loader,
    mapping: LineMapping,
    feed: FeedOptions,
    *,
    metrics_listen: MetricsAddress = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 60.0,
) -> None:
    """Log JSON lines from standard input as audit events.

    The input is JSON: a value on each line, an array, a sequence, documents for people, or a list inside a document
    (--items); as it is or with gzip, in UTF-8, UTF-16 or UTF-32.

    A path leads to a part of the line: user.name, target.0.id, annotations."example.com/decision" or a JSON Pointer such
    as /target/0/id; separate alternatives by commas. What does not fit an optional field is kept as metadata, and a path
    that led nowhere is named at the end. A bad line is reported with its number and skipped, unless --strict. A line with
    a name twice in one object, or with a number that would change, is bad; --keep-line seals the text itself.

    SIGTERM, SIGHUP and SIGINT end the input: what was read is logged, delivered and reported.

    Exit code: 0 when every line was logged, 8 when some were bad, 2 for a wrong configuration or an input that cannot be
    read, 7 when some events could not be kept anywhere, 143, 129 or 130 after a signal.
    """
    from telemetry.cli.feeding.run import FeedRun

    run = FeedRun(mapping, feed, timeout=timeout)
    config = load()
    with serving_metrics(metrics_listen, service=config.service_name):
        code = run.run(config)
    for error in run.errors:
        fail(error)
    if run.signal:
        err.print(f"[yellow]{run.signal}: reading stopped[/]")
    for remark in mapping.tally.remarks():
        err.print(f"[yellow]{escape_markup(remark)}[/]")
    if json and sys.stdout is not None:
        sys.stdout.write(msgspec.json.encode(run.summary | {"mapping": mapping.tally.as_json()}).decode() + "\n")
    shown = {name: value for name, value in run.summary.items() if value is not None}
    err.print("  ".join(f"[bold]{value}[/] {name}" for name, value in shown.items()))
    if code:
        raise typer.Exit(code)
