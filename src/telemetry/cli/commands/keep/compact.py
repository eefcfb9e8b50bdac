"""Implements ``telemetry archive compact``: merges the files of closed days, and removes what nobody reads any more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from telemetry.archive.upkeep.cleaning import clean
from telemetry.archive.upkeep.compaction import CompactableDay, Compaction, closed_until, compact_day
from telemetry.archive.upkeep.open_archive import OpenArchive, open_for_upkeep
from telemetry.cli.archiving.upkeep import ArchivePlace, AsJson, DryRun, UpkeepLines, say_cleaned
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import progress
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem

app = typer.Typer(add_completion=False)

_COLUMNS = ("day", "files", "rows", "bytes", "new_files", "seal")


@app.command(
    "compact",
    epilog=examples(
        "telemetry archive compact -c telemetry.toml",
        "telemetry archive compact --day 2026-01-31 --dry-run -c telemetry.toml",
    ),
)
@with_connection
def compact(
    load: Loader,
    *,
    archive: ArchivePlace = None,
    days: Annotated[
        list[str] | None,
        typer.Option("--day", metavar="YYYY-MM-DD", help="This day, closed or not. Repeatable; default: closed days."),
    ] = None,
    older_than: Annotated[
        int | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Days that ended so long ago are closed."),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Merge the files of closed days into few sorted ones, and delete files that nobody reads any more.

    Every file is checked with the digest in its seal before, and what was written is read again and compared, before a seal
    makes it part of the archive. Appends and reads go on meanwhile.

    Exit code: 0, 3 when a seal or a file was altered, 6 when the store or the catalog fails or another process was faster.
    """
    chosen = [_day(text) for text in days or ()]
    now = datetime.now(UTC)
    with open_for_upkeep(load(encryption_enabled=False, fallback_enabled=False), archive) as opened:
        compaction = Compaction(max_bytes=opened.settings.file_bytes)
        wanted = _wanted(opened, compaction, chosen, now=now, older_than=older_than)
        lines = UpkeepLines(_COLUMNS, json=json)
        _compact(opened, compaction, wanted, lines, dry_run=dry_run)
        cleaned = clean(opened, now=now, dry_run=dry_run)
        if not dry_run:
            kept = timedelta(seconds=opened.settings.keep_removed_seconds)
            opened.commits.table.expire_snapshots(older_than=now - kept)
        lines.show()
    say_cleaned(cleaned, json=json, dry_run=dry_run)


def _wanted(
    opened: OpenArchive, compaction: Compaction, chosen: list[date], *, now: datetime, older_than: int | None
) -> list[CompactableDay]:
    state = opened.state()
    if chosen:
        found = ((day.isoformat(), compaction.inputs(state, day.isoformat())) for day in sorted(set(chosen)))
        return [CompactableDay(day, tuple(files)) for day, files in found if files]
    after = opened.settings.compact_after_days if older_than is None else older_than
    return compaction.days(state, until=closed_until(now, after_days=after))


def _compact(
    opened: OpenArchive, compaction: Compaction, wanted: list[CompactableDay], lines: UpkeepLines, *, dry_run: bool
) -> None:
    with progress("compacting", total=len(wanted), shown=not dry_run) as (bar, task):
        for each in wanted:
            seal = None if dry_run else compact_day(opened, compaction, each.day)
            if dry_run or seal is not None:
                lines.add(
                    day=each.day,
                    files=len(each.files if seal is None else seal.removed),
                    rows=each.rows if seal is None else sum(file.rows for file in seal.added),
                    bytes=each.size if seal is None else sum(file.size for file in seal.added),
                    new_files=None if seal is None else len(seal.added),
                    seal=None if seal is None else seal.number,
                )
            bar.advance(task)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise ConfigurationError(Problem("--day", "is not a day", "write it as 2026-01-31")) from exc
