"""Implements ``telemetry archive status``: what the archive has, and how far it is behind the topic."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.cli.archiving.extra import require_archive
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.examples import examples

app = typer.Typer(add_completion=False)


@app.command(
    "status",
    epilog=examples(
        "telemetry archive status -c archiver.toml",
        "telemetry archive status -c archiver.toml --archive s3://audit-archive/payments --json",
    ),
)
@with_connection
def status(
    load: Loader,
    *,
    archive: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Place of the archive: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX; "
            "default: archive_config.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show the last seal, what it adds up to, and how far the archive is behind the topic.

    It changes nothing. The seals are believed as they are; `verify --from archive` judges them.

    Exit code: 0; 1 when the oldest record that is not archived is older than half of the topic's retention, 4 when the topic
    has deleted some already, 6 when Kafka or the store cannot be reached.
    """
    require_archive()
    from telemetry.cli.archiving.archive_status import show_status

    raise typer.Exit(show_status(load(encryption_enabled=False, fallback_enabled=False), uri=archive, json=json))
