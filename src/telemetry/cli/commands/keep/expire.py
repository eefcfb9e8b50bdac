"""Implements ``telemetry archive expire``: ends events whose retention is over, as the catalogues say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from telemetry.archive.upkeep.cleaning import clean
from telemetry.archive.upkeep.open_archive import OpenArchive, open_for_upkeep
from telemetry.archive.upkeep.retention.expiring import EndingDay, Expiring, expire_day
from telemetry.archive.upkeep.retention.policy import Retention, RetentionPolicy
from telemetry.catalog.described.loading import load_catalog
from telemetry.cli.archiving.upkeep import ArchivePlace, AsJson, DryRun, UpkeepLines, note, say_cleaned
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import progress
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

app = typer.Typer(add_completion=False)

_COLUMNS = ("day", "ended", "rows", "seal")


@app.command(
    "expire",
    epilog=examples(
        "telemetry archive expire --catalog payments.json --default 7y --dry-run -c telemetry.toml",
        "telemetry archive expire --catalog payments.json --default 7y -c telemetry.toml",
    ),
)
@with_connection
def expire(
    load: Loader,
    *,
    archive: ArchivePlace = None,
    catalogs: Annotated[
        list[str] | None,
        typer.Option(
            "--catalog",
            help="Catalogue that declares the retention of types: a file of `telemetry catalog export`, or module:variable. "
            "Repeatable; the longer retention counts.",
        ),
    ] = None,
    default: Annotated[
        str | None,
        typer.Option(
            "--default",
            metavar="7y",
            help="Retention of all other types, and of records that are no events: a number and d, m or y. Default: kept.",
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Remove events whose retention is over. Their leaf hashes stay, so that the rest of the trail is still proven.

    `verify` tells what ended by policy from what is missing. Events that a legal hold covers stay, and so do checkpoints and
    rosters. The files that had the events are deleted after `keep_removed_seconds`, by the next run of this command or of
    `compact`.

    Exit code: 0, 3 when a seal, a file or a hold is not believed, 6 when the store or the catalog fails.
    """
    if not catalogs and default is None:
        raise ConfigurationError(Problem("--catalog", "is missing", "name a catalogue, or a retention with --default"))
    retention = Retention.parse(default, field="--default") if default is not None else None
    policy = RetentionPolicy.of([load_catalog(text, option="--catalog") for text in catalogs or ()], default=retention)
    now = datetime.now(UTC)
    with open_for_upkeep(load(encryption_enabled=False, fallback_enabled=False), archive) as opened:
        expiring = Expiring(opened.store, policy, holds=opened.holds(), now=now)
        lines = UpkeepLines(_COLUMNS, json=json)
        held = _expire(opened, expiring, lines, dry_run=dry_run)
        cleaned = clean(opened, now=now, dry_run=dry_run)
        lines.show()
    say_cleaned(cleaned, json=json, dry_run=dry_run)
    if held and not json:
        note(f"[yellow]{held}[/] rows whose retention is over stay because of legal holds")


def _expire(opened: OpenArchive, expiring: Expiring, lines: UpkeepLines, *, dry_run: bool) -> int:
    held = 0
    days = list(expiring.days(opened.state()))
    with progress("ending retention", total=len(days), shown=not dry_run) as (bar, task):
        for day in days:
            held += day.held
            if day.files:
                _expire_one(opened, expiring, day, lines, dry_run=dry_run)
            bar.advance(task)
    return held


def _expire_one(opened: OpenArchive, expiring: Expiring, day: EndingDay, lines: UpkeepLines, *, dry_run: bool) -> None:
    if dry_run:
        for event_type, rows in day.rows.most_common():
            lines.add(day=day.day, ended=expiring.text_of(event_type), rows=rows, seal=None)
        return
    seal = expire_day(opened, expiring, day.day)
    if seal is None:
        return
    for ending in seal.ended:
        lines.add(day=day.day, ended=ending.policy, rows=ending.rows, seal=seal.number)
