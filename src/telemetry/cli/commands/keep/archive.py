"""Implements ``telemetry archive``: moves the trail into the archive, and lists the commands that look after it."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.cli.archiving.extra import require_archive
from telemetry.cli.feeding.metrics_option import MetricsAddress, serving_metrics
from telemetry.cli.lazy_command import Entry, lazy_group
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

ARCHIVE_COMMANDS = (
    Entry(
        "status",
        "telemetry.cli.commands.keep.archive_status",
        "Show the last seal, what it adds up to, and how far the archive is behind the topic.",
    ),
    Entry(
        "seal",
        "telemetry.cli.commands.keep.archive_seal",
        "Have the Iceberg table catch up with the seals, and seal what another engine has written.",
    ),
    Entry(
        "compact",
        "telemetry.cli.commands.keep.compact",
        "Merge the files of closed days into few sorted ones, and delete files that nobody reads any more.",
        extra="archive",
    ),
    Entry(
        "redact",
        "telemetry.cli.commands.keep.redact",
        "Remove the content of events of a person from the archive. Their leaf hashes stay: everything is still proven.",
        extra="archive",
    ),
    Entry(
        "expire",
        "telemetry.cli.commands.keep.expire",
        "Remove events whose retention is over. Their leaf hashes stay, so that the rest of the trail is still proven.",
        extra="archive",
    ),
    Entry(
        "hold",
        "telemetry.cli.commands.keep.hold",
        "Have events stay until `release`: `redact` refuses them, and `expire` leaves them as they are.",
        extra="archive",
    ),
    Entry(
        "release",
        "telemetry.cli.commands.keep.release",
        "End a legal hold; a hold that is not believed, so that it blocks all upkeep, ends as well.",
        extra="archive",
    ),
)
"""Subcommands of ``telemetry archive``, in the order of the help; without one it archives."""

app = typer.Typer(add_completion=False, cls=lazy_group(ARCHIVE_COMMANDS))


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "telemetry archive -c archiver.toml --to s3://audit-archive/payments --every 5m",
        "telemetry archive -c archiver.toml --once --json",
        "telemetry archive status -c archiver.toml",
    ),
)
@with_connection
def archive(
    context: typer.Context,
    load: Loader,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Place of the archive: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX; "
            "default: archive_config.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Archive what is there now, and end.")] = False,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time between two commits, such as 30s, 5m or 1h; default: every_seconds."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON at the end.")] = False,
    metrics_listen: MetricsAddress = None,
) -> None:
    """Move the trail into the archive, still sealed: an Iceberg table, with a signed seal for each commit.

    It reads the topic from where the last seal ends, and the fallback store, until a signal ends it. It needs no right to
    decrypt an event. Each record is archived exactly once by its place: the seal that adds its row says where the next one
    begins, and of several archivers one creates it. What cannot be read is archived as damaged, and what the topic deleted
    too early is a gap that the seal names.

    SIGTERM, SIGHUP and SIGINT end it after the commit under way; what was only read is read again by the next run.

    Exit code: 0, also after a signal; 2 for a wrong configuration, 3 when a seal is absent or was altered, 4 when the topic had
    deleted records before they were archived, 6 when another archiver has committed, or Kafka, a store or the catalog did not
    answer.
    """
    if context.invoked_subcommand is not None:
        return
    require_archive()
    from telemetry.cli.archiving.archive_run import run_archiver
    from telemetry.cli.archiving.durations import seconds_of

    if once and every is not None:
        raise ConfigurationError(Problem("--every", "contradicts --once", "keep one of them"))
    pause = None if every is None else seconds_of(every, option="--every")
    config = load(encryption_enabled=False)
    with serving_metrics(metrics_listen, service=config.service_name):
        code = run_archiver(config, uri=to, once=once, every=pause, json=json)
    raise typer.Exit(code)
