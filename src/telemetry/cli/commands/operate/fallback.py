"""``telemetry fallback``: look at the fallback store, and bring it back to Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.table import Table

from telemetry.audit.replay.once import open_store, replay_now
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, neutral, out, progress, write_line
from telemetry.cli.output.new_file import new_file
from telemetry.exceptions import (
    FormatError,
    StorageNotFoundError,
    TamperedError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import FallbackObject, decode_object, require_own_name
from telemetry.format.objects.stored_name import QUARANTINE, REJECTED, WAITING, below, parse_object_name
from telemetry.storage import StorageProvider, StoredObject

app = typer.Typer(help="Look at the fallback store, and bring it back to Kafka.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class _Found(NamedTuple):
    stored: StoredObject
    state: str
    plain_name: str


@app.command("list")
@with_connection
def list_(load: Loader, *, json: AsJson = False) -> None:
    """List the objects: those that wait for replay, those that Kafka refused, those that are damaged.

    [bold]Example[/]

      telemetry fallback list -c telemetry.toml
    """
    config = load(encryption_enabled=False).audit_config
    table, longest = Table("state", "first", "last", "bytes", "object"), 0
    with open_store(config) as store:
        for found in _objects(store, config.kafka_topic):
            name = parse_object_name(found.plain_name)
            first, last = (name.first, name.last) if name else (None, None)
            if json:
                row = {"state": found.state, "name": found.stored.name, "bytes": found.stored.size}
                write_line(msgspec.json.encode({**row, "first": first, "last": last}).decode())
            else:
                shown = neutral(found.stored.name)
                longest = max(longest, len(shown))
                table.add_row(found.state, str(first), str(last), f"{found.stored.size:,}", shown)
    if not json:
        # Never shortened, however narrow the terminal: the other subcommands want the whole name.
        table.columns[-1].min_width = longest
        out.print(table, crop=False)


@app.command()
@with_connection
def show(load: Loader, name: Annotated[str, typer.Argument(help="As `fallback list` shows it.")]) -> None:
    """Show an object's header and the clear part of its records.

    [bold]Example[/]

      telemetry fallback show audit-events/2026/01/31/NAME.jsonl -c telemetry.toml
    """
    with open_store(load(encryption_enabled=False).audit_config) as store:
        found = decode_object(store.get(name))
    write_line(msgspec.json.encode(found.header).decode())
    for record in found.records:
        value = msgspec.json.decode(record.value)
        value.pop("data", None)
        write_line(msgspec.json.encode({"key": record.key.decode(), "value": value}).decode())


@app.command()
@with_connection
def replay(
    load: Loader,
    *,
    rejected: Annotated[
        bool,
        typer.Option("--rejected", help="Put what Kafka refused back first: its limit or the rights were changed."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Send every waiting object to Kafka, oldest first, and delete it once it is acknowledged.

    A process that logs does the same by itself; only one at a time works on a store.

    Exit code: 0 when nothing waits any more, 6 when Kafka or the store cannot be used or another process replays.

    [bold]Examples[/]

      telemetry fallback replay -c telemetry.toml

      telemetry fallback replay --rejected -c telemetry.toml
    """
    config = load(encryption_enabled=False).audit_config
    states = {"waiting", "rejected"} if rejected else {"waiting"}
    with open_store(config) as store:
        total = sum(1 for found in _objects(store, config.kafka_topic) if found.state in states)
    with progress("replaying", total=total) as (bar, task):
        report = replay_now(config, rejected=rejected, on_object=lambda _name, _events: bar.advance(task))
    if json:
        write_line(msgspec.json.encode(report).decode())
    err.print(f"[bold]{report.replayed}[/] events replayed  [bold]{report.rejected}[/] rejected")


@app.command()
@with_connection
def verify(load: Loader, *, json: AsJson = False) -> None:
    """Check every byte of every object against its digests. Needs no key.

    Exit code: 0, or 3 when an object is damaged or was altered.

    [bold]Example[/]

      telemetry fallback verify -c telemetry.toml
    """
    config = load(encryption_enabled=False).audit_config
    good = bad = 0
    with open_store(config) as store, progress("checking") as (bar, task):
        for found in _objects(store, config.kafka_topic):
            reason = _fault(store, found)
            bar.advance(task)
            good, bad = (good + 1, bad) if reason is None else (good, bad + 1)
            if json:
                row = {"name": found.stored.name, "state": found.state, "good": reason is None, "reason": reason}
                write_line(msgspec.json.encode(row).decode())
            elif reason is not None:
                err.print(f"[red]{neutral(found.stored.name)}:[/] {neutral(reason)}")
    err.print(f"[bold]{good}[/] objects are good  [bold]{bad}[/] are not")
    if bad:
        raise typer.Exit(TamperedError.exit_code)


@app.command()
@with_connection
def export(
    load: Loader,
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")],
    *,
    json: AsJson = False,
) -> None:
    """Write every stored record, still sealed, as JSON lines of key and value.

    Exit code: 0, or 3 when an object is damaged; the records of all others are in the file.

    [bold]Example[/]

      telemetry fallback export records.jsonl -c telemetry.toml
    """
    config = load(encryption_enabled=False).audit_config
    records = objects = damaged = 0
    new = new_file(file, replace=False, option="file")
    with open_store(config) as store, new as target, progress("exporting") as (bar, task):
        for found in _objects(store, config.kafka_topic):
            try:
                lines = _lines(_decoded(store, found))
            except StorageNotFoundError:
                continue  # it was replayed since the listing
            except (FormatError, VerificationError) as exc:
                err.print(f"[red]{neutral(found.stored.name)}:[/] {neutral(str(exc))}")
                damaged += 1
                continue
            target.writelines(lines)
            records, objects = records + len(lines), objects + 1
            bar.advance(task)
    if json:
        write_line(msgspec.json.encode({"records": records, "objects": objects, "damaged": damaged}).decode())
    err.print(f"[bold]{records}[/] records of {objects} objects written to {file}  [bold]{damaged}[/] damaged")
    if damaged:
        raise typer.Exit(TamperedError.exit_code)


def _lines(found: FallbackObject) -> list[bytes]:
    return [
        msgspec.json.encode({"key": record.key.decode(), "value": record.value.decode()}) + b"\n"
        for record in found.records
    ]


def _objects(store: StorageProvider, topic: str) -> Iterator[_Found]:
    for state, folder in (("waiting", WAITING), ("rejected", REJECTED), ("damaged", QUARANTINE)):
        for stored in store.list(below(folder, f"{topic}/")):
            yield _Found(stored, state, stored.name.removeprefix(below(folder, "")))


def _decoded(store: StorageProvider, found: _Found) -> FallbackObject:
    decoded = decode_object(store.get(found.stored.name))
    name = parse_object_name(found.plain_name)
    if name is not None and found.state != "damaged":
        require_own_name(decoded.header, name)
    return decoded


def _fault(store: StorageProvider, found: _Found) -> str | None:
    if parse_object_name(found.plain_name) is None:
        return "its name is not one of this library"
    try:
        _decoded(store, found)
    except StorageNotFoundError:
        # It was replayed since the listing.
        return None
    except (FormatError, VerificationError) as exc:
        return str(exc)
    return None
