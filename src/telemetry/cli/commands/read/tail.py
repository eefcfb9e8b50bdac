"""``telemetry tail``: decrypt and print the trail."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer
from rich.text import Text as Styled

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.filters import (
    LATE,
    Late,
    Offset,
    Outcomes,
    Reader,
    Reason,
    Since,
    Text,
    Types,
    Until,
    Users,
    Wanted,
)
from telemetry.cli.options.sources import File, From, Origin, sources_of
from telemetry.cli.output.console import err, neutral, out, write_line
from telemetry.cli.output.counter import Sift
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.value.event import AuditEvent
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import event_record
from telemetry.trail.trail import Trail, open_trail

_COLOURS = {"success": "green", "failure": "red", "denied": "bold red"}
_PAYLOAD_SHOWN = 300


@with_connection
def tail(  # noqa: PLR0913 - each argument is an option of the command
    load: Loader,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line: every field of the event.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events until interrupted (Ctrl-C).")
    ] = False,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only this many events at the end.")] = None,
    origin: From = Origin.TOPIC,
    file: File = None,
    offset: Offset = None,
    since: Since = None,
    until: Until = None,
    late: Late = LATE,
    user: Users = None,
    event_type: Types = None,
    outcome: Outcomes = None,
    text: Text = None,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Show duplicates too.")] = False,
    reader: Reader = None,
    reason: Reason = None,
) -> None:
    """Read the trail, decrypt it, check every byte, and print it. The read is recorded in the trail first.

    Reads from the beginning to the end, then stops, unless --follow. Control characters in events are shown as escapes.

    Exit code: 0, 3 when a record was damaged or altered, 5 when data keys were missing, 7 when the read could not be
    recorded. Ctrl-C ends --follow in the same way.

    [bold]Examples[/]

      telemetry tail -c telemetry.toml --since 15m --outcome denied --reason "ticket 4711"

      telemetry tail -c telemetry.toml --follow --type 'login*' --json | jq .payload
    """
    if follow and last is not None:
        raise ConfigurationError(Problem("--last", "has no meaning with --follow", "leave one of them out"))
    wanted = Wanted(user=user, event_type=event_type, outcome=outcome, text=text, since=since, until=until, late=late)
    config = load(fallback_enabled=False)
    within = wanted.read_range(offset=offset, follow=follow)
    sift = Sift()
    with (
        # A bar would be drawn between the events.
        sources_of(config.audit_config, origin, file, within, label="reading", shown=not out.is_terminal) as sources,
        open_trail(
            config,
            *sources,
            wanted=wanted.filter,
            duplicates=duplicates,
            reader=reader,
            reason=reason,
            program="telemetry tail",
        ) as trail,
    ):
        try:
            for event in _shown(trail, sift, last=last):
                _show(event, json=json)
                if follow:
                    sys.stdout.flush()
        except KeyboardInterrupt:
            # That is how one ends following; without it the output is not whole, and the exit code must say so.
            if not follow:
                raise
    if config.audit_config.encryption_enabled:
        sift.warn()
    if sift.exit_code:
        err.print(f"[bold red]{sift.complaint()}[/]")
        raise typer.Exit(sift.exit_code)


def _shown(trail: Trail, sift: Sift, *, last: int | None) -> Iterator[OpenedEvent]:
    events = (event for event in map(sift.event, trail) if event is not None)
    return events if last is None else iter(deque(events, maxlen=last))


def _show(opened: OpenedEvent, *, json: bool) -> None:
    if json:
        write_line(msgspec.json.encode(event_record(opened)).decode())
    else:
        out.print(_line(opened.event, sealed=opened.sealed))


def _line(event: AuditEvent, *, sealed: bool) -> Styled:
    payload = msgspec.json.encode(event.payload).decode()
    if len(payload) > _PAYLOAD_SHOWN:
        payload = payload[:_PAYLOAD_SHOWN] + "…"
    parts = [
        (neutral(event.time[:23]).replace("T", " "), "dim"),
        ("  ", ""),
        # Whoever may write to the topic can forge a record that no data key sealed.
        ("" if sealed else "NOT SEALED  ", "bold red"),
        (neutral(event.event_type), "bold cyan"),
        ("  ", ""),
        (neutral(event.user_id), "yellow"),
        ("  ", ""),
        (event.outcome or "", _COLOURS.get(event.outcome or "", "")),
        ("  " if event.outcome else "", ""),
        (neutral(payload), ""),
    ]
    return Styled.assemble(*parts)
