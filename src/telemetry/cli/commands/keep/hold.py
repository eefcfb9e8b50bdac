"""Implements ``telemetry archive hold``: has events stay that would be redacted or whose retention ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
import uuid_utils

from telemetry.archive.upkeep.holds.covered import has_event_of
from telemetry.archive.upkeep.holds.hold import Hold
from telemetry.archive.upkeep.holds.keeping import now_text, put_hold
from telemetry.archive.upkeep.holds.signing import HoldKeeper, open_hold_keeper
from telemetry.cli.archiving.person import Person, person_of
from telemetry.cli.archiving.upkeep import ArchivePlace, AsJson, UpkeepLines, note
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.filters import parse_moment
from telemetry.system.clock import rfc3339
from telemetry.trail.read_event import os_user

app = typer.Typer(add_completion=False)

_COLUMNS = ("id", "time", "by", "reason", "scope")
_NOT_FOUND = 4


@app.command(
    "hold",
    epilog=examples(
        'telemetry archive hold --user user-123 --service payments --reason "case 2026-17" -c telemetry.toml',
        'telemetry archive hold --service payments --since 2026-01-01T00:00:00Z --reason "audit" -c telemetry.toml',
        "telemetry archive hold --list -c telemetry.toml",
    ),
)
@with_connection
def hold(
    load: Loader,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, such as the number of a case; never a name.")] = "",
    user: Annotated[
        str | None, typer.Option("--user", help="Events of this person; only a hash of it is kept.")
    ] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="Events of this service; needed with --user.")
    ] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Events of this type.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Events from this time on: RFC 3339, or 30d.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Events before this time.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the holds that are in force.")] = False,
    archive: ArchivePlace = None,
    json: AsJson = False,
) -> None:
    """Have events stay until `release`: `redact` refuses them, and `expire` leaves them as they are.

    The key of `archive_config.signing_config` signs, or else that of `signing_config`, which then needs the role auditor.

    A user whom neither the subject store nor the archive knows is not held, since that would cover nothing.

    Exit code: 0, 3 when a hold or a seal is not believed, 4 when nothing of the user is there, 6 when the store fails.
    """
    config = load(encryption_enabled=False, fallback_enabled=False)
    with open_hold_keeper(config, archive) as keeper:
        if list_:
            _list(keeper, json=json)
            return
        if not reason.strip():
            raise ConfigurationError(Problem("--reason", "is missing", "say why, such as the number of a case"))
        person = person_of(config, user=user, service=service)
        is_known = person is None or _is_known(keeper, person)
        new = Hold(
            id=str(uuid_utils.uuid7()),
            archive=keeper.archive,
            time=now_text(),
            by=os_user(),
            reason=reason,
            keyhashes=() if person is None else person.keyhashes,
            service=service or "",
            event_type=event_type or "",
            since=_moment(since, "--since"),
            until=_moment(until, "--until"),
        )
        put_hold(keeper.store, new, keeper.signer)
        keeper.holds()  # what cannot be believed would end every later run with an error: say it now
    lines = UpkeepLines(_COLUMNS, json=json)
    lines.add(id=new.id, time=new.time, by=new.by, reason=new.reason, scope=new.scope)
    lines.show()
    if person is not None and not is_known:
        note(f"[yellow]the archive has no event of this user yet[/], and only those to come are held; {person.doubt}")


def _is_known(keeper: HoldKeeper, person: Person) -> bool:
    """Return whether something of a person is there that is held; ends the command if nothing ever could be."""
    if not person.doubt:
        return True
    is_there = has_event_of(keeper.store, keeper.state.live.files(), keyhashes=person.keyhashes)
    if person.lacks_key:
        note(person.doubt)
        if not is_there:
            note("The archive has no such event either: no hold was made.")
            raise typer.Exit(_NOT_FOUND)
    return is_there


def _list(keeper: HoldKeeper, *, json: bool) -> None:
    lines = UpkeepLines(_COLUMNS, json=json)
    holds = list(keeper.holds())
    for each in holds:
        lines.add(id=each.id, time=each.time, by=each.by, reason=each.reason, scope=each.scope)
    lines.show()
    if not holds and not json:
        note("no hold is in force")


def _moment(text: str | None, option: str) -> str:
    return "" if text is None else rfc3339(parse_moment(text, option, now=datetime.now(UTC)))
