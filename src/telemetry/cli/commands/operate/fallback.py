"""Implements ``telemetry fallback``: shows the fallback store, checks it, and replays it to Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.table import Table

from telemetry.audit.replay.once import open_store, replay_now
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_control, escape_markup, out, progress, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import FormatError, StorageNotFoundError, TamperedError, VerificationError
from telemetry.format.objects.fallback_object import FallbackObject, decode_object, require_own_name
from telemetry.format.objects.stored_name import QUARANTINE, REJECTED, WAITING, below, parse_object_name
from telemetry.storage import StorageProvider, StoredObject

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at the fallback store, and bring it back to Kafka."
)

# No subcommand opens an event: all of them work without a key, for operators who must not read the trail.
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


class _Listed(NamedTuple):
    """An object of the store.

    Attributes:
        stored: Full name and size.
        state: ``waiting``, ``rejected`` or ``damaged``.
        plain_name: The name without the folder of the state.
    """

    stored: StoredObject
    state: str
    plain_name: str


@app.command("list", epilog=examples("telemetry fallback list -c telemetry.toml"))
@with_connection
def list_(load: Loader, *, json: AsJson = False) -> None:
    """List the objects: those that wait for replay, those that Kafka rejected, and those that are damaged."""
    config = load(encryption_enabled=False).audit_config
    table, longest = Table("state", "first", "last", "bytes", "object"), 0
    with open_store(config) as store:
        for listed in _objects(store, config.kafka_topic):
            name = parse_object_name(listed.plain_name)
            first, last = (name.first, name.last) if name else (None, None)
            if json:
                row = {"state": listed.state, "name": listed.stored.name, "bytes": listed.stored.size}
                write_line(msgspec.json.encode({**row, "first": first, "last": last}).decode())
            else:
                shown = escape_control(listed.stored.name)
                longest = max(longest, len(shown))
                table.add_row(listed.state, str(first), str(last), f"{listed.stored.size:,}", shown)
    if not json:
        # Never shortened, however narrow the terminal: the other subcommands need the whole name.
        table.columns[-1].min_width = longest
        out.print(table, crop=False)


@app.command(
    epilog=examples("telemetry fallback show audit-events/2026/01/31/NAME.jsonl -c telemetry.toml"),
)
@with_connection
def show(load: Loader, name: Annotated[str, typer.Argument(help="Name as `fallback list` shows it.")]) -> None:
    """Show an object's header and the clear part of its records."""
    with open_store(load(encryption_enabled=False).audit_config) as store:
        decoded = decode_object(store.get(name))
    write_line(msgspec.json.encode(decoded.header).decode())
    for record in decoded.records:
        line = {"key": record.key.decode(), "value": _clear_part(record.value)}
        write_line(msgspec.json.encode(line).decode())


@app.command(
    epilog=examples(
        "telemetry fallback replay -c telemetry.toml", "telemetry fallback replay --rejected -c telemetry.toml"
    ),
)
@with_connection
def replay(
    load: Loader,
    *,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected",
            help="First put back the records that Kafka rejected: use it after raising its limit or granting the right.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Send every waiting object to Kafka, oldest first, and delete it once it is acknowledged.

    A process that logs does the same by itself. Only one process at a time replays a store.

    Exit code: 0 when no object is waiting any more, 6 when Kafka or the store cannot be used or another process replays.
    """
    config = load(encryption_enabled=False).audit_config
    states = {"waiting", "rejected"} if rejected else {"waiting"}
    with open_store(config) as store:
        # For the progress bar alone; objects that arrive meanwhile are replayed as well.
        total = sum(1 for listed in _objects(store, config.kafka_topic) if listed.state in states)
    with progress("replaying", total=total) as (bar, task):
        report = replay_now(config, rejected=rejected, on_object=lambda _name, _events: bar.advance(task))
    if json:
        write_line(msgspec.json.encode(report).decode())
    err.print(f"[bold]{report.replayed}[/] events replayed, [bold]{report.rejected}[/] rejected")


@app.command(epilog=examples("telemetry fallback verify -c telemetry.toml"))
@with_connection
def verify(load: Loader, *, json: AsJson = False) -> None:
    """Check every byte of every object against its digests. Needs no key.

    Exit code: 0, or 3 when an object is damaged or was altered.
    """
    config = load(encryption_enabled=False).audit_config
    intact = damaged = 0
    with open_store(config) as store, progress("checking") as (bar, task):
        for listed in _objects(store, config.kafka_topic):
            reason = _damage(store, listed)
            bar.advance(task)
            intact, damaged = (intact + 1, damaged) if reason is None else (intact, damaged + 1)
            if json:
                row = {"name": listed.stored.name, "state": listed.state, "good": reason is None, "reason": reason}
                write_line(msgspec.json.encode(row).decode())
            elif reason is not None:
                _complain(listed, reason)
    err.print(f"[bold]{intact}[/] intact, [bold]{damaged}[/] damaged")
    if damaged:
        raise typer.Exit(TamperedError.exit_code)


@app.command(epilog=examples("telemetry fallback export records.jsonl -c telemetry.toml"))
@with_connection
def export(
    load: Loader,
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
    *,
    json: AsJson = False,
) -> None:
    """Write every stored record, still sealed, as JSON lines of key and value.

    Exit code: 0, or 3 when an object is damaged; the records of all others are in the file.
    """
    config = load(encryption_enabled=False).audit_config
    records = objects = damaged = 0
    new = new_file(file, replace=False, option="file")
    with open_store(config) as store, new as target, progress("exporting") as (bar, task):
        for listed in _objects(store, config.kafka_topic):
            try:
                lines = _lines(_decoded(store, listed))
            except StorageNotFoundError:
                continue  # it was replayed after it was listed
            except (FormatError, VerificationError) as exc:
                _complain(listed, str(exc))
                damaged += 1
                continue
            # Only after the whole object was checked, so that no record of a damaged object is in the file.
            target.writelines(lines)
            records, objects = records + len(lines), objects + 1
            bar.advance(task)
    if json:
        write_line(msgspec.json.encode({"records": records, "objects": objects, "damaged": damaged}).decode())
    written = f"[bold]{records}[/] records of {objects} objects written to {escape_markup(str(file))}"
    err.print(f"{written}, [bold]{damaged}[/] objects damaged")
    if damaged:
        raise typer.Exit(TamperedError.exit_code)


def _clear_part(value: bytes) -> Any:
    """Return a record's value without its data; as text if it is not an event, because anyone may have stored it."""
    try:
        parts = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(parts, dict):
        parts.pop("data", None)  # sealed, and long
    return parts


def _complain(listed: _Listed, reason: str) -> None:
    err.print(f"[red]{escape_markup(listed.stored.name)}:[/] {escape_markup(reason)}")


def _lines(decoded: FallbackObject) -> list[bytes]:
    return [
        msgspec.json.encode({"key": record.key.decode(), "value": record.value.decode()}) + b"\n"
        for record in decoded.records
    ]


def _objects(store: StorageProvider, topic: str) -> Iterator[_Listed]:
    for state, folder in (("waiting", WAITING), ("rejected", REJECTED), ("damaged", QUARANTINE)):
        for stored in store.list(below(folder, f"{topic}/")):
            yield _Listed(stored, state, stored.name.removeprefix(below(folder, "")))


def _decoded(store: StorageProvider, listed: _Listed) -> FallbackObject:
    decoded = decode_object(store.get(listed.stored.name))
    name = parse_object_name(listed.plain_name)
    # A quarantined object may be there because its name and its header disagree; what it contains is shown all the same.
    if name is not None and listed.state != "damaged":
        require_own_name(decoded.header, name)
    return decoded


def _damage(store: StorageProvider, listed: _Listed) -> str | None:
    """Return what is wrong with an object, or None."""
    if parse_object_name(listed.plain_name) is None:
        return "its name is not one of this library"
    try:
        _decoded(store, listed)
    except StorageNotFoundError:
        return None  # it was replayed after it was listed
    except (FormatError, VerificationError) as exc:
        return str(exc)
    return None
