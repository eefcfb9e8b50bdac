"""Implements ``telemetry archive seal``: seals and Iceberg table agree again."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.cli.archiving.extra import require_archive
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.examples import examples

app = typer.Typer(add_completion=False)


@app.command(
    "seal",
    epilog=examples(
        "telemetry archive seal -c archiver.toml",
        "telemetry archive seal -c archiver.toml --rebuild",
    ),
)
@with_connection
def seal(
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
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Make the table anew from the seals; what another engine wrote is left out."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Have the Iceberg table catch up with the seals, and seal what another engine has written.

    What an engine such as Spark has added, or written anew, becomes a seal of the kind adopt for each of its snapshots: every
    row is looked at, every file is hashed, and places that are there twice or are gone are refused. A table that lacks seals
    gets them; a catalog that was lost is made anew.

    Exit code: 0; 6 when it cannot be adopted, another archiver has committed meanwhile, or the store or the catalog did
    not answer.
    """
    require_archive()
    from telemetry.cli.archiving.archive_seal import seal_archive

    seal_archive(load(encryption_enabled=False, fallback_enabled=False), uri=archive, anew=rebuild, json=json)
