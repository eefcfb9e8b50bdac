"""``telemetry log``: JSON lines on standard input become audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Annotated, Any

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, neutral, progress
from telemetry.exceptions import BackpressureError, ConfigurationError, EventError, Problem, TelemetryError
from telemetry.sync import Telemetry

BAD_LINES = 8
"""Exit code when some lines were not logged."""

_MAX_LINE = 64 << 20
_MAX_DEPTH_NAMES = 32
_NAMED = ("session_id", "actor_id", "entity", "entity_id", "action", "outcome", "source", "ip_address", "user_agent")


@dataclass
class Mapping:
    """Which parts of a line become which parts of an event."""

    event_type_field: str
    user_id_field: str
    payload_field: str
    event_type: str | None
    user_id: str | None
    fields: dict[str, str] = field(default_factory=dict)

    def event(self, line: Any) -> tuple[str, Any, str, dict[str, Any]]:
        """Return event type, payload, user id and further fields.

        Raises:
            EventError: The line has no event type or no user id.
        """
        if not isinstance(line, dict):
            message = "is not a JSON object"
            raise EventError(message)
        event_type = _text(_at(line, self.event_type_field), self.event_type)
        user_id = _text(_at(line, self.user_id_field), self.user_id)
        if event_type is None:
            message = f"has no {self.event_type_field!r}; name its field with --event-type-field, or give --event-type"
            raise EventError(message)
        if user_id is None:
            message = f"has no {self.user_id_field!r}; name its field with --user-id-field, or give --user-id"
            raise EventError(message)
        payload = _at(line, self.payload_field) if self.payload_field else line
        further = {name: value for name, path in self.fields.items() if (value := _at(line, path)) is not None}
        return event_type, payload, user_id, further


@dataclass
class Counts:
    """What became of the lines."""

    logged: int = 0
    bad: int = 0


@with_connection
def log(
    load: Loader,
    *,
    event_type_field: Annotated[
        str, typer.Option(help="Where the event type is, such as eventName or event.type.")
    ] = "event_type",
    user_id_field: Annotated[
        str, typer.Option(help="Where the user id is, such as userIdentity.arn; several with commas, first found wins.")
    ] = "user_id",
    payload_field: Annotated[str, typer.Option(help="Where the payload is; default: the whole line.")] = "",
    event_type: Annotated[str | None, typer.Option(help="Event type of lines that have none.")] = None,
    user_id: Annotated[str | None, typer.Option(help="User id of lines that have none.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: a further field, such as ip_address=sourceIPAddress. Repeatable."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad line.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write the counts as JSON to standard output.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 60.0,
) -> None:
    """Log JSON lines from standard input as audit events.

    A bad line is reported with its number and does not stop the rest, unless --strict. Exit code: 0 when every line was
    logged, 8 when some were bad, 2 for a wrong configuration, 7 when events could be kept nowhere.

    [bold]Examples[/]

      telemetry log -c telemetry.toml < events.jsonl

      zcat cloudtrail.jsonl.gz | telemetry log -c telemetry.toml --event-type-field eventName
      --user-id-field userIdentity.arn,userIdentity.principalId --user-id unknown --field ip_address=sourceIPAddress
    """
    mapping = Mapping(event_type_field, user_id_field, payload_field, event_type, user_id, _fields(field or []))
    with Telemetry(load()) as telemetry:
        counts = _log_lines(telemetry, mapping, strict=strict)
        report = telemetry.shutdown(timeout)
    summary = {
        "logged": counts.logged,
        "bad": counts.bad,
        "delivered": report.delivered,
        "stored": report.stored,
        "spooled": report.spooled,
        "failed": report.failed,
    }
    if json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    err.print("  ".join(f"[bold]{value}[/] {name}" for name, value in summary.items()))
    if counts.bad:
        raise typer.Exit(BAD_LINES)
    if report.failed:
        raise typer.Exit(7)


def _log_lines(telemetry: Telemetry, mapping: Mapping, *, strict: bool) -> Counts:
    counts = Counts()
    with progress("logging") as (bar, task):
        for number, line in _lines(sys.stdin.buffer):
            try:
                _log_line(telemetry, mapping, line)
            except (EventError, msgspec.DecodeError) as exc:
                counts.bad += 1
                reason = str(exc) if isinstance(exc, EventError) else "is not JSON"
                err.print(f"[yellow]line {number}:[/] {neutral(reason)}", markup=True)
                if strict:
                    break
            else:
                counts.logged += 1
            bar.advance(task)
    return counts


def _log_line(telemetry: Telemetry, mapping: Mapping, line: bytes) -> None:
    try:
        content = msgspec.json.decode(line)
    except (UnicodeDecodeError, RecursionError) as exc:
        message = "is not JSON in UTF-8, or nested too deeply"
        raise EventError(message) from exc
    event_type, payload, user_id, fields = mapping.event(content)
    while True:
        try:
            telemetry.audit.log(event_type, payload, user_id, **fields)
        except BackpressureError:
            # Standard input can wait; an audit event must not be dropped because it came quickly.
            continue
        except TypeError as exc:
            message = "has a field that clashes with an argument of log()"
            raise EventError(message) from exc
        return


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(_MAX_LINE):
        number += 1
        if line.strip():
            yield number, line


def _at(line: dict[str, Any], paths: str) -> Any:
    """Return the value at the first of several dotted paths that leads to one."""
    for path in paths.split(","):
        found: Any = line.get(path) if path in line else _walk(line, path.split(".")[:_MAX_DEPTH_NAMES])
        if found is not None:
            return found
    return None


def _walk(found: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _text(found: Any, default: str | None) -> str | None:
    if isinstance(found, str) and found:
        return found
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return default


def _fields(pairs: list[str]) -> dict[str, str]:
    fields = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if (
            not equals
            or not name.isidentifier()
            or not path
            or name in {"event_type", "payload", "user_id", "wait_for"}
        ):
            raise ConfigurationError(Problem("--field", f"{pair!r} is not NAME=PATH", "such as session_id=session.id"))
        fields[name] = path
    return fields


__all__ = ["TelemetryError", "log"]
