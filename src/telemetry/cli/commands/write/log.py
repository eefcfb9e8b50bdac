"""Implements ``telemetry log``: turns JSON lines on standard input into audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Annotated, Any

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_markup, progress
from telemetry.cli.output.examples import examples
from telemetry.exceptions import BackpressureError, ConfigurationError, EventError, Problem, UndeliveredError
from telemetry.sync import Telemetry

BAD_LINES = 8
"""Exit code when some lines were not logged."""

# A longer line is read in pieces, each of which is reported as a bad line: memory stays bounded.
_MAX_LINE = 64 << 20
_MAX_PATH_NAMES = 32
_ARGUMENTS = frozenset(("event_type", "payload", "user_id", "wait_for"))
"""Arguments of ``log()`` that are not fields of an event; they have options of their own or none."""

app = typer.Typer(add_completion=False)


@dataclass
class LineMapping:
    """Says which parts of a line become which parts of an event; a path is dotted, and several are separated by commas."""

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
        event_type = _text(_value_at(line, self.event_type_field), self.event_type)
        user_id = _text(_value_at(line, self.user_id_field), self.user_id)
        if event_type is None:
            message = f"has no {self.event_type_field!r}; name its field with --event-type-field, or give --event-type"
            raise EventError(message)
        if user_id is None:
            message = f"has no {self.user_id_field!r}; name its field with --user-id-field, or give --user-id"
            raise EventError(message)
        payload = _value_at(line, self.payload_field) if self.payload_field else line
        further = {name: value for name, path in self.fields.items() if (value := _value_at(line, path)) is not None}
        return event_type, payload, user_id, further


@dataclass
class Counts:
    """Counts of the lines that were logged and of those that were not."""

    logged: int = 0
    bad: int = 0


@app.command(
    "log",
    epilog=examples(
        "telemetry log -c telemetry.toml < events.jsonl",
        "zcat cloudtrail.jsonl.gz | telemetry log -c telemetry.toml --event-type-field eventName --user-id-field "
        "userIdentity.arn,userIdentity.principalId --user-id unknown --field ip_address=sourceIPAddress",
    ),
)
@with_connection
def log(
    load: Loader,
    *,
    event_type_field: Annotated[
        str, typer.Option(help="Path of the event type, such as eventName or event.type.")
    ] = "event_type",
    user_id_field: Annotated[
        str, typer.Option(help="Path of the user id, such as userIdentity.arn; the first of several that has one wins.")
    ] = "user_id",
    payload_field: Annotated[str, typer.Option(help="Path of the payload; default: the whole line.")] = "",
    event_type: Annotated[str | None, typer.Option(help="Event type for lines without one.")] = None,
    user_id: Annotated[str | None, typer.Option(help="User id for lines without one.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: a further field, such as ip_address=sourceIPAddress. Repeatable."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad line.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for delivery at the end.")] = 60.0,
) -> None:
    """Log JSON lines from standard input as audit events.

    A path names a field of the line, with dots for nested fields; separate several paths by commas. A bad line is
    reported with its number and skipped, unless --strict.

    Exit code: 0 when every line was logged, 8 when some were bad, 2 for a wrong configuration, 7 when some events could
    not be kept anywhere.
    """
    mapping = LineMapping(event_type_field, user_id_field, payload_field, event_type, user_id, _fields(field or []))
    with Telemetry(load()) as telemetry:
        counts = _log_lines(telemetry, mapping, strict=strict)
        # Not left to the end of the block, because the counts come from the report.
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
        raise typer.Exit(UndeliveredError.exit_code)


def _log_lines(telemetry: Telemetry, mapping: LineMapping, *, strict: bool) -> Counts:
    counts = Counts()
    with progress("logging") as (bar, task):
        for number, line in _lines(sys.stdin.buffer):
            try:
                _log_line(telemetry, mapping, line)
            except (EventError, msgspec.DecodeError) as exc:
                counts.bad += 1
                reason = str(exc) if isinstance(exc, EventError) else "is not JSON"
                err.print(f"[yellow]line {number}:[/] {escape_markup(reason)}")
                if strict:
                    break
            else:
                counts.logged += 1
            bar.advance(task)
    return counts


def _log_line(telemetry: Telemetry, mapping: LineMapping, line: bytes) -> None:
    try:
        content = msgspec.json.decode(line)
    except (UnicodeDecodeError, RecursionError) as exc:
        message = "is not JSON in UTF-8, or is nested too deeply"
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
        # An empty line is no event, but it counts as a line for editors and so for the reported numbers.
        if line.strip():
            yield number, line


def _value_at(line: dict[str, Any], paths: str) -> Any:
    """Return the value at the first of several dotted paths that leads to one."""
    for path in paths.split(","):
        # A field whose name contains dots wins over nested fields.
        value: Any = line.get(path) if path in line else _nested(line, path.split(".")[:_MAX_PATH_NAMES])
        if value is not None:
            return value
    return None


def _nested(value: Any, names: list[str]) -> Any:
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(value: Any, default: str | None) -> str | None:
    if isinstance(value, str) and value:
        return value
    # Many systems number their users.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return default


def _fields(pairs: list[str]) -> dict[str, str]:
    fields = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not name.isidentifier() or not path or name in _ARGUMENTS:
            raise ConfigurationError(
                Problem("--field", f"{pair!r} is not NAME=PATH", "write it like session_id=session.id")
            )
        fields[name] = path
    return fields
