"""Implements ``telemetry archive redact``: removes the content of events of one person, and keeps the proof."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from telemetry.archive.upkeep.cleaning import clean
from telemetry.archive.upkeep.open_archive import OpenArchive, open_for_upkeep
from telemetry.archive.upkeep.redaction.old_versions import old_versions
from telemetry.archive.upkeep.redaction.redacting import Redacting, WantedDay, redact_day, require_complete
from telemetry.archive.upkeep.redaction.request import RedactionRequest
from telemetry.cli.archiving.person import Person, person_of
from telemetry.cli.archiving.upkeep import ArchivePlace, AsJson, DryRun, UpkeepLines, note
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, progress
from telemetry.cli.output.examples import examples
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.archive.seal import MAX_TEXT
from telemetry.format.uuid7 import is_uuid
from telemetry.system.clock import rfc3339
from telemetry.trail.read_event import Access, os_user, record_redaction

app = typer.Typer(add_completion=False)

_COLUMNS = ("day", "events", "files", "seal")
MAX_IDS = 10_000
_ELSEWHERE = (
    "Not erased: the topic, as long as its retention lasts; objects of the fallback store; the spool; exports, evidence packs "
    "and deliveries to other systems; copies and backups of the archive; and damaged records, which name nobody."
)

_NOTHING = (
    "no event of this request has content in the archive: if that surprises, look at user and service, and with key_mode "
    "hmac at key_hmac_secret"
)


@app.command(
    "redact",
    epilog=examples(
        "telemetry archive redact --user user-123 --service payments --request DSR-2041 "
        '--reason "erasure, GDPR Art. 17" -c telemetry.toml',
        "telemetry archive redact --id 0198c0de-1111-7222-8333-444455556666 --request INC-9 -c telemetry.toml",
    ),
)
@with_connection
def redact(
    load: Loader,
    *,
    request: Annotated[str, typer.Option("--request", help="Name of the request, such as the number of a ticket.")],
    user: Annotated[str | None, typer.Option("--user", help="The person, as the service logs it.")] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="Service that logs the person's events; needed with --user.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="Only the event with this id. Repeatable; enough without --user.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    archive: ArchivePlace = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Remove the content of events of a person from the archive. Their leaf hashes stay: everything is still proven.

    `telemetry.redacted` is written into the trail first. A legal hold on any of the events refuses all of it.

    Exit code: 0, 3 when a seal, a file or a hold is not believed, 6 when the store or the catalog fails, 7 when a hold refuses
    it or it could not be recorded.
    """
    config = load()
    person = person_of(config, user=user, service=service)
    wanted = _request(user, person, ids or [], request=request, reason=reason)
    with open_for_upkeep(config, archive) as opened:
        redacting = Redacting(opened.store, wanted, holds=opened.holds())
        days = list(redacting.days(opened.state()))
        lines = UpkeepLines(_COLUMNS, json=json)
        if dry_run or not days:
            for day in days:
                lines.add(day=day.day, events=day.events, files=len(day.files), seal=None)
        else:
            _record(config, opened, wanted, sum(day.events for day in days))
            _redact(opened, redacting, days, lines)
            _say_what_is_left(opened, days, json=json)
            require_complete(opened, redacting)
        lines.show()
    if days and not json:
        note(_ELSEWHERE)
    if not days:
        note(_NOTHING)
    if person is not None and (person.lacks_key or not days):
        note(person.doubt)


def _request(user: str | None, person: Person | None, ids: list[str], *, request: str, reason: str) -> RedactionRequest:
    if user is None and not ids:
        raise ConfigurationError(Problem("--user", "is missing", "name a person, or events with --id"))
    if not all(is_uuid(each) for each in ids) or len(ids) > MAX_IDS:
        problem = Problem("--id", f"is no event id, or there are more than {MAX_IDS}", "copy it from `tail --json`")
        raise ConfigurationError(problem)
    for option, text in (("--request", request), ("--reason", reason)):
        if len(text) > MAX_TEXT or not text.isprintable() or (option == "--request" and not text.strip()):
            raise ConfigurationError(Problem(option, f"is one printable line of at most {MAX_TEXT} characters"))
        # It is in the seals for ever.
        if user is not None and user in text:
            raise ConfigurationError(Problem(option, "names the person, and cannot be erased", "leave the name out"))
    return RedactionRequest(
        request=request,
        reason=reason or "no reason given",
        by=os_user(),
        keyhashes=() if person is None else person.keyhashes,
        ids=tuple(dict.fromkeys(ids)),
        at=datetime.now(UTC),
    )


def _record(config: TelemetryConfig, opened: OpenArchive, wanted: RedactionRequest, events: int) -> None:
    description = {
        "request": wanted.request,
        "archive": opened.state().seal.archive,
        "by": "ids" if wanted.ids else "user",
    }
    record_redaction(config, Access(reason=wanted.reason), description=description, events=events)


def _redact(opened: OpenArchive, redacting: Redacting, days: list[WantedDay], lines: UpkeepLines) -> None:
    with progress("redacting", total=len(days)) as (bar, task):
        for day in days:
            seal = redact_day(opened, redacting, day.day)
            if seal is not None:
                count = sum(each.count for each in seal.redacted)
                lines.add(day=day.day, events=count, files=len(seal.removed), seal=seal.number)
            bar.advance(task)


def _say_what_is_left(opened: OpenArchive, days: list[WantedDay], *, json: bool) -> None:
    """Delete the files that had the content, and say what the store still keeps of them."""
    now = datetime.now(UTC)
    # Not only those of this request: one that a compaction has just replaced has the content, too.
    cleaned = clean(opened, now=now, keep_removed=timedelta())
    # The snapshots before name them, and so would a reader that asks for the past.
    opened.commits.table.expire_snapshots(older_than=now)
    versions = old_versions(opened.store, [day.day for day in days], live=opened.state().live)
    until = rfc3339(versions.locked_until) if versions.locked_until else None
    if json:
        left = {"refused": cleaned.refused, "versions": versions.files if versions.is_known else None, "until": until}
        UpkeepLines((), json=True).add(left=left)
        return
    if cleaned.refused:
        err.print(
            f"[red]{cleaned.refused} files that were replaced could not be deleted[/]: delete them, or their lock ends"
        )
    if not versions.is_known:
        note("[yellow]Whether the store keeps old versions of these files is not known: look at its settings[/]")
    elif versions.files:
        when = f"a lock keeps them until {until}" if until else "delete these versions"
        note(f"[red]{versions.files} files of these days are still there as old versions[/]: {when}")
