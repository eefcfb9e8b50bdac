"""Implements ``telemetry forward``: passes the opened trail on to a SIEM, and continues where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from telemetry.cli.feeding.metrics_option import MetricsAddress, serving_metrics
from telemetry.cli.feeding.run_options import RunOptions, with_run
from telemetry.cli.feeding.target_options import TargetOptions, with_target
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.reading import ReadOptions, with_following
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

app = typer.Typer(add_completion=False)


@app.command(
    "forward",
    epilog=examples(
        "telemetry forward -c reader.toml --group siem --to splunk-hec --url https://splunk.example.com:8088 "
        "--token-file hec.token --schema ocsf --dead-letters letters",
        "telemetry forward -c reader.toml --group otel --to otlp --url https://collector.example.com:4318",
        "telemetry forward -c reader.toml --group lake --to s3 --url s3://audit-lake/events --schema ecs --once",
        "telemetry forward -c reader.toml --group otel --to otlp --url https://collector.example.com:4318 "
        "--metrics-listen http://127.0.0.1:9465",
        "telemetry forward -c reader.toml --resend --dead-letters letters --to http --url https://siem.example.com/events",
    ),
)
@with_connection
@with_following
@with_target
@with_run
def forward(
    load: Loader,
    read: ReadOptions,
    target: TargetOptions,
    run: RunOptions,
    *,
    group: Annotated[
        str | None, typer.Option("--group", help="Consumer group: continue where it stopped, one forwarder at a time.")
    ] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for records that the target refuses for good, still sealed."),
    ] = None,
    resend: Annotated[
        bool, typer.Option("--resend", help="Forward the records of --dead-letters, delete each afterwards, and end.")
    ] = False,
    metrics_listen: MetricsAddress = None,
) -> None:
    """Decrypt the trail, check every byte, and pass each event on to another system, until a signal ends it.

    The read is recorded in the trail first, and again every 24 hours. A position of the group is committed only when the target has
    acknowledged every event up to it, so that a forwarder that dies skips nothing; what it had in hand is sent again, with the
    same ids. While the target is away, or refuses everything, it waits and tries again. What the target refuses for good is logged with its
    place, and kept with --dead-letters. Foreign records are left out. With trusted keys each event waits for its checkpoint, and
    says whether it is proven.

    SIGTERM, SIGHUP and SIGINT end it after what it has in hand.

    Exit code: 0, also after a signal; 2 for a wrong configuration, 3 when records were damaged, 5 when data keys were
    missing, 6 when the target was away or refused everything at the end or Kafka cannot be reached, 7 when the read could not be recorded.
    """
    from telemetry.cli.feeding.forwarding import ForwardRun

    if run.is_sealed and read.selected.selects_by_content:
        reason = "does not open events, so they can only be filtered by time"
        raise ConfigurationError(Problem("--sealed", reason, "leave out the filters other than --since and --until"))
    if resend and (dead_letters is None or group is not None or run.once):
        remedy = "name that folder, without --group and --once"
        raise ConfigurationError(Problem("--resend", "reads --dead-letters alone", remedy))
    if not resend and group is None:
        raise ConfigurationError(Problem("--group", "is missing", "name the program that reads, such as siem"))
    config = load(fallback_enabled=False, **({"encryption_enabled": False} if run.is_sealed else {}))
    forwarding = ForwardRun(config, read, target, run, group=group, letters=dead_letters)
    with serving_metrics(metrics_listen, service=config.service_name):
        code = forwarding.run()
    raise typer.Exit(code)
