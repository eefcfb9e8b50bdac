"""``telemetry tail``: decrypt and print the trail."""

from __future__ import annotations

import re
import sys
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from telemetry.cli.connection import Loader, with_connection
from telemetry.cli.console import err, neutral, out, write_line
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import ConfigurationError, Problem, TamperedError
from telemetry.format.event import AuditEvent
from telemetry.reader import CheckpointEntry, DamagedRecord, Entry, KafkaSource, OpenedEvent, ReadRange, TrailReader

_AGO = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_COLOURS = {"success": "green", "failure": "red", "denied": "bold red"}
_PAYLOAD_SHOWN = 300


class Filter:
    """Which events are shown."""

    def __init__(
        self, *, user: str | None, event_type: str | None, outcome: str | None, since: str, until: str, grep: str | None
    ) -> None:
        self._user = user
        self._event_type = event_type
        self._outcome = outcome
        self._since = since
        self._until = until
        self._grep = grep.casefold() if grep else None

    def takes(self, event: AuditEvent) -> bool:
        """Whether the event is one of them."""
        return (
            (self._user is None or event.user_id == self._user)
            and (self._event_type is None or event.event_type == self._event_type)
            and (self._outcome is None or event.outcome == self._outcome)
            and (not self._since or event.time >= self._since)
            and (not self._until or event.time <= self._until)
            and (self._grep is None or self._grep in msgspec.json.encode(event).decode().casefold())
        )


@with_connection
def tail(
    load: Loader,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line: every field of the event.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events, without end.")] = False,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only this many events at the end.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="From this offset in every partition.")] = None,
    since: Annotated[str | None, typer.Option(help="Events logged since: 15m, 2h, 3d, or an RFC 3339 time.")] = None,
    until: Annotated[str | None, typer.Option(help="Events logged until: as --since.")] = None,
    user: Annotated[str | None, typer.Option(help="Events of this user.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Events of this type.")] = None,
    outcome: Annotated[str | None, typer.Option(help="success, failure or denied.")] = None,
    grep: Annotated[str | None, typer.Option(help="Events that hold this text anywhere; case does not count.")] = None,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Show duplicates too.")] = False,
) -> None:
    """Read the trail from Kafka, decrypt it, check every byte, and print it.

    Reads from the beginning to the end, then stops, unless --follow. Control characters in events are shown as escapes.
    Exit code: 0, or 3 when a record was damaged or altered.

    [bold]Examples[/]

      telemetry tail -c telemetry.toml --since 15m --outcome denied

      telemetry tail -c telemetry.toml --json | jq .payload
    """
    config = load(fallback_enabled=False)
    audit = config.audit_config
    begin, end = _moment(since, "--since"), _moment(until, "--until")
    wanted = Filter(
        user=user, event_type=event_type, outcome=outcome, since=_rfc3339(begin), until=_rfc3339(end), grep=grep
    )
    provider = EncryptionProviderFactory.create(audit.encryption_config) if audit.encryption_config else None
    within = ReadRange(since=begin.timestamp() if begin else None, offset=offset, follow=follow)
    with KafkaSource(audit, within=within) as source:
        reader = TrailReader(source, provider=provider, duplicates=duplicates)
        shown: deque[OpenedEvent] = deque(maxlen=last)
        for entry in reader:
            event = _wanted_event(entry, wanted)
            if event is None:
                continue
            if last is None:
                _show(event, json=json)
                if follow:
                    sys.stdout.flush()
            else:
                shown.append(event)
        for event in shown:
            _show(event, json=json)
    if provider is not None:
        provider.close()
    if reader.damaged:
        err.print(f"[bold red]{reader.damaged} records are damaged or were altered[/]")
        raise typer.Exit(TamperedError.exit_code)


def _wanted_event(entry: Entry, wanted: Filter) -> OpenedEvent | None:
    if isinstance(entry, DamagedRecord):
        text = neutral(f"{entry.place}: {type(entry.error).__name__}: {entry.error}")
        err.print(Text(text, style="red"))
        return None
    if isinstance(entry, CheckpointEntry) or not isinstance(entry, OpenedEvent):
        return None
    return entry if wanted.takes(entry.event) else None


def _show(opened: OpenedEvent, *, json: bool) -> None:
    if json:
        write_line(msgspec.json.encode(_fields(opened)).decode())
    else:
        out.print(_line(opened.event))


def _fields(opened: OpenedEvent) -> dict[str, Any]:
    fields = opened.event.to_dict()
    fields["sealed"] = opened.sealed
    fields["kafka"] = {
        "topic": opened.place.source,
        "partition": opened.place.partition,
        "offset": opened.place.offset,
    }
    return fields


def _line(event: AuditEvent) -> Text:
    payload = msgspec.json.encode(event.payload).decode()
    if len(payload) > _PAYLOAD_SHOWN:
        payload = payload[:_PAYLOAD_SHOWN] + "…"
    parts = [
        (event.time[:23].replace("T", " "), "dim"),
        ("  ", ""),
        (neutral(event.event_type), "bold cyan"),
        ("  ", ""),
        (neutral(event.user_id), "yellow"),
        ("  ", ""),
        (event.outcome or "", _COLOURS.get(event.outcome or "", "")),
        ("  " if event.outcome else "", ""),
        (neutral(payload), ""),
    ]
    return Text.assemble(*parts)


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago:
        return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        problem = Problem(option, f"{text!r} is not a time", "write 15m, 2h, 3d or 2026-01-31T12:00:00Z")
        raise ConfigurationError(problem) from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rfc3339(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""
