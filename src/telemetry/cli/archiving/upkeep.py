"""Defines what the commands that change an archive have in common: their options, and how they say what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from telemetry.archive.upkeep.cleaning import Cleaned
from telemetry.cli.output.console import err, escape_control, out, write_line

ArchivePlace = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="URI",
        help="The archive: a folder, file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
        "az://ACCOUNT/CONTAINER/PREFIX. Default: `archive_config` of the configuration.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]

_MEGABYTE = 1_000_000


class UpkeepLines:
    """Collects what was done, a line each, and prints it: as JSON at once, or for people as a table at the end.

    Args:
        columns: Names of the columns, which are the members of the objects too.
        json: Whether to print objects.
    """

    def __init__(self, columns: Sequence[str], *, json: bool) -> None:
        self._columns = tuple(columns)
        self._json = json
        self._rows: list[Mapping[str, Any]] = []

    def add(self, **row: Any) -> None:
        """Add a line."""
        if self._json:
            write_line(msgspec.json.encode(row).decode())
        else:
            self._rows.append(row)

    def show(self) -> None:
        """Print the table, if there is a line in it."""
        if not self._rows:
            return
        table = Table(*self._columns)
        # Never shortened: it is copied into the next command.
        table.columns[0].min_width = max(len(_cell(row.get(self._columns[0]))) for row in self._rows)
        for row in self._rows:
            table.add_row(*(_cell(row.get(name)) for name in self._columns))
        out.print(table, crop=False)


def note(text: str) -> None:
    """Print a line for people to standard error; it may have rich's markup, and nothing from outside."""
    err.print(text)


def say_cleaned(cleaned: Cleaned, *, json: bool, dry_run: bool) -> None:
    """Print what a clean-up did."""
    if json:
        UpkeepLines((), json=True).add(cleaned=cleaned._asdict())
        return
    verb = "would be deleted" if dry_run else "deleted"
    note(
        f"[bold]{cleaned.deleted}[/] files that nobody reads any more {verb} ({cleaned.bytes / _MEGABYTE:,.1f} MB), "
        f"[bold]{cleaned.waiting}[/] wait for their time"
    )
    if cleaned.refused:
        note(f"[yellow]{cleaned.refused}[/] files could not be deleted: a lock keeps them, or the right is absent")
    if cleaned.foreign:
        note(f"[yellow]{cleaned.foreign}[/] files are neither sealed nor named as this library names them; they stay")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape_control(str(value))
