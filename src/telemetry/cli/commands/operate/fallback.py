"""Implements ``telemetry fallback``: shows the fallback store, checks it, and replays it to Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from telemetry.audit.marks.accept import accept_object
from telemetry.audit.marks.keeper import open_keeper
from telemetry.audit.replay.once import open_store, replay_now
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.object_view import ListedObject, ObjectView, stored_objects
from telemetry.cli.output.console import err, escape_control, escape_markup, out, progress, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.config import AuditConfig
from telemetry.encryption import signing_key
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import EncryptionError, FormatError, StorageNotFoundError, TamperedError, VerificationError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.storage import StorageProvider
from telemetry.trail.stored import open_storage_keys

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at the fallback store, and bring it back to Kafka."
)

# No subcommand opens an event: all of them are for operators who must not read the trail.
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command("list", epilog=examples("telemetry fallback list -c telemetry.toml"))
@with_connection
def list_(load: Loader, *, json: AsJson = False) -> None:
    """List the objects: those that wait for replay, those that Kafka rejected, and those that are damaged."""
    config = load(encryption_enabled=False).audit_config
    table, longest = Table("state", "first", "last", "bytes", "object"), 0
    with open_store(config) as store:
        for listed in stored_objects(store, config.kafka_topic):
            first, last = (listed.parts.first, listed.parts.last) if listed.parts else (None, None)
            if json:
                row = {"state": listed.state, "name": listed.text, "bytes": listed.stored.size}
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
    """Show an object's header and, where its key is at hand, the clear part of its records."""
    config = load(encryption_enabled=False)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(config.audit_config))
        opened = ObjectView(store.stream(name), name=name, keys=open_storage_keys(config, stack))
        write_line(msgspec.json.encode(opened.summary()).decode())
        try:
            for record in opened.records():
                line = {"key": record.key.decode(), "value": _clear_part(record.value)}
                write_line(msgspec.json.encode(line).decode())
        except EncryptionError as exc:
            err.print(f"its records are not shown: {escape_markup(str(exc))}")


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
    telemetry = load(encryption_enabled=False)
    config = telemetry.audit_config
    states = {"waiting", "rejected"} if rejected else {"waiting"}
    with open_store(config) as store:
        # For the progress bar alone; objects that arrive meanwhile are replayed as well.
        total = sum(1 for listed in stored_objects(store, config.kafka_topic) if listed.state in states)
    with progress("replaying", total=total) as (bar, task):
        report = replay_now(telemetry, rejected=rejected, on_object=lambda _name, _events: bar.advance(task))
    if json:
        write_line(msgspec.json.encode(report).decode())
    err.print(f"[bold]{report.replayed}[/] events replayed, [bold]{report.rejected}[/] rejected")


@app.command(epilog=examples("telemetry fallback verify -c telemetry.toml"))
@with_connection
def verify(load: Loader, *, json: AsJson = False) -> None:
    """Check every byte of every object by its digests, and the signatures of a signing key that is configured.

    Exit code: 0, or 3 when an object is damaged or was altered.
    """
    config = load(encryption_enabled=False).audit_config
    signers = _signers(config)
    intact = damaged = 0
    with open_store(config) as store, progress("checking") as (bar, task):
        for listed in stored_objects(store, config.kafka_topic):
            reason = _damage(store, listed, signers)
            bar.advance(task)
            intact, damaged = (intact + 1, damaged) if reason is None else (intact, damaged + 1)
            if json:
                row = {"name": listed.text, "state": listed.state, "good": reason is None, "reason": reason}
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
    """Write every stored record, its event still sealed, as JSON lines of key and value.

    Exit code: 0, 3 when an object is damaged, or 5 when the key of one is not at hand; the records of all others are in the
    file.
    """
    telemetry = load(encryption_enabled=False)
    config = telemetry.audit_config
    records = objects = damaged = unopened = 0
    new = new_file(file, replace=False, option="file")
    with ExitStack() as stack, open_store(config) as store, new as target, progress("exporting") as (bar, task):
        keys = open_storage_keys(telemetry, stack)
        for listed in stored_objects(store, config.kafka_topic):
            try:
                lines = _lines(store, listed, keys)
            except StorageNotFoundError:
                continue  # it was replayed after it was listed
            except EncryptionError as exc:
                _complain(listed, str(exc))
                unopened += 1
                continue
            except (FormatError, VerificationError) as exc:
                _complain(listed, str(exc))
                damaged += 1
                continue
            # Only after the whole object was checked, so that no record of a damaged object is in the file.
            target.writelines(lines)
            records, objects = records + len(lines), objects + 1
            bar.advance(task)
    if json:
        counts = {"records": records, "objects": objects, "damaged": damaged, "unopened": unopened}
        write_line(msgspec.json.encode(counts).decode())
    written = f"[bold]{records}[/] records of {objects} objects written to {escape_markup(str(file))}"
    err.print(f"{written}, [bold]{damaged}[/] objects damaged, [bold]{unopened}[/] not opened")
    if damaged or unopened:
        raise typer.Exit(TamperedError.exit_code if damaged else EncryptionError.exit_code)


@app.command(
    epilog=examples("telemetry fallback accept quarantine/audit-events/2026/01/31/NAME.jsonl -c telemetry.toml")
)
@with_connection
def accept(
    load: Loader,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names of objects, as `fallback list` shows them.")
    ],
) -> None:
    """Vouch for objects that carry no mark of this service, so that the next replay sends them.

    For objects that the service stored itself: with an earlier version, or under a key that is not listed any more. Each
    is stored anew in the service's own form, sealed and signed by its keys. Its records must be this service's.

    Exit code: 0, 3 when an object cannot be this service's, 5 when its key is not at hand, 6 when the store fails.
    """
    config = load(encryption_enabled=False)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(config.audit_config))
        keeper = open_keeper(config, store, stack)
        for name in names:
            count = accept_object(store, name, keeper, topic=config.audit_config.kafka_topic)
            err.print(f"[bold]{count}[/] records of {escape_markup(name)} are stored anew, and wait for replay")


def _clear_part(value: bytes) -> Any:
    """Return a record's value without its data; as text if it is not an event, because anyone may have stored it."""
    try:
        parts = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(parts, dict):
        parts.pop("data", None)  # sealed, and long
    return parts


def _complain(listed: ListedObject, reason: str) -> None:
    err.print(f"[red]{escape_markup(listed.stored.name)}:[/] {escape_markup(reason)}")


def _signers(config: AuditConfig) -> list[PublicKey]:
    if config.signing_config is None:
        return []
    return [PublicKey.parse(signing_key.describe(config.signing_config.key_path).public["public_key"])]


def _lines(store: StorageProvider, listed: ListedObject, keys: StorageKeys) -> list[bytes]:
    if listed.parts is None:
        # A store refuses to read some such names, which must not end the export.
        message = "its name is not one of this library"
        raise FormatError(message)
    opened = ObjectView(store.stream(listed.stored.name), name=listed.stored.name, keys=keys)
    opened.require_own_name(listed)
    return [
        msgspec.json.encode({"key": record.key.decode(), "value": record.value.decode()}) + b"\n"
        for record in opened.records()
    ]


def _damage(store: StorageProvider, listed: ListedObject, signers: Sequence[PublicKey]) -> str | None:
    """Return what is wrong with an object, or None."""
    if listed.parts is None:
        return "its name is not one of this library"
    try:
        opened = ObjectView(store.stream(listed.stored.name), name=listed.stored.name)
        opened.require_own_name(listed)
        opened.require_intact(signers)
    except StorageNotFoundError:
        return None  # it was replayed after it was listed
    except (FormatError, VerificationError) as exc:
        return str(exc)
    return None
