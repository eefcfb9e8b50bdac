"""Implements ``telemetry subject``: forgets subjects by destroying their keys, and holds those that must stay."""

from __future__ import annotations

import sys
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.table import Table

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_control, escape_markup, out, write_line
from telemetry.cli.output.examples import examples

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Forget a subject: destroy its key, so that nobody can read what the trail has of it; or keep it from that.",
)

_PANEL = "Who asks, and why (recorded in the trail)"
_NOT_FOUND = 4
_SHOWN = 20

# A command's words are seen by other users of the machine, and kept by shells.
Users = Annotated[
    list[str] | None,
    typer.Argument(metavar="USER...", help="User ids; `-` reads them from standard input, one a line."),
]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="Service that knows them; default: the configured one. Repeatable."),
]
AllServices = Annotated[
    bool, typer.Option("--all-services", help="Every service and environment that has subjects in the store.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--subject-key", metavar="KEY", help="Name of a subject's key, as events and `list` show it. Repeatable."
    ),
]
By = Annotated[
    str | None, typer.Option("--as", help="Name of who asks; default: the user of this system.", rich_help_panel=_PANEL)
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Reason, such as the number of a request.", rich_help_panel=_PANEL)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog=examples("telemetry subject init -c shop.toml", "telemetry subject init --print postgresql"))
@with_connection
def init(
    load: Loader,
    *,
    dialect: Annotated[
        str | None,
        typer.Option("--print", metavar="DIALECT", help="Print the SQL (postgresql or sqlite), and change nothing."),
    ] = None,
) -> None:
    """Create the tables of the subject store; a SQLite file is created with the first event too.

    In PostgreSQL it needs the right to create tables; the services then need SELECT, INSERT, UPDATE and DELETE on them.
    """
    from telemetry.cli.commands.keep.subject_work import opened_register
    from telemetry.encryption.subjects.store.schema import create_tables_sql

    if dialect is not None:
        write_line(create_tables_sql(dialect).rstrip())
        return
    with opened_register(load()) as register:
        register.create_tables()
    err.print(
        "The tables of the subject store are there. Back them up: a key that is lost is a subject that is forgotten."
    )


@app.command(
    epilog=examples(
        'telemetry subject forget user-123 -c shop.toml --reason "request 77" --yes',
        "telemetry subject forget - --all-services -c shop.toml --yes < users.txt",
        "telemetry subject forget --pending -c shop.toml",
    )
)
@with_connection
def forget(
    load: Loader,
    users: Users = None,
    *,
    service: Services = None,
    all_services: AllServices = False,
    subject_key: Keys = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Finish what earlier runs left to a later one; names nobody.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait", help="Wait for processes that may use the keys; else a later run, or they, finish."
        ),
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for a confirmation.")] = False,
    json: AsJson = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    """Destroy the keys of subjects, for good: content and identity of their events cannot be read any more, wherever they are.

    Places, times, types and proofs stay, and the events of everybody else. Processes that log get a new key for a subject at
    once; a key is destroyed when none of them may use the old one any more, at the latest when their leases end
    (`lease_seconds`). Interrupted, it can be run again.

    Exit code: 0; 4 when a user has no key, or none any more, and the others are forgotten; 7 when a legal hold refuses it, of
    the store or of the archive of `archive_config`: nothing was changed then.
    """
    from telemetry.cli.commands.keep.subject_archive import require_no_hold_of_archive
    from telemetry.cli.commands.keep.subject_work import Forgetting, Wanted, cleaned, opened_register, record
    from telemetry.trail.read_event import Access

    config, without_key = load(), []
    with opened_register(config) as register:
        if pending:
            key_ids = [row.key_id for row in register.rows(state="forgetting") if row.hold is None]
        else:
            wanted = Wanted(users or (), services=service or (), all_services=all_services, keys=subject_key or ())
            wanted.require_persons()
            rows = [row for row in wanted.rows(config, register) if row.state != "forgotten"]
            _require_found(wanted, rows)
            without_key = wanted.without_key
            _confirm(len(rows), yes=yes)
            register.require_no_hold(rows)
            require_no_hold_of_archive(config, wanted.users, rows, keys=wanted.keys)
            key_ids = [row.key_id for row in rows]
            access = Access(reader=by, reason=reason, program="telemetry subject forget")
            # Recorded first, as a read is: the trail never lacks who did this.
            record(config, access, event_type="telemetry.forgotten", rows=rows)
            register.begin_forgetting(rows)
        work = Forgetting(register, key_ids)
        try:
            work.wait() if wait else work.step()
        finally:
            note = cleaned(register) if work.destroyed else ""
            _report(sorted(work.destroyed), work.left, note, json=json)
    if without_key:
        _show_without_key(without_key)
        raise typer.Exit(_NOT_FOUND)


def _show_without_key(numbers: list[int]) -> None:
    # By their places, since what goes to a terminal or a log of jobs should not name who asked to be forgotten.
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    err.print(f"{len(numbers)} of the users have no key, or none any more; check the spelling of number {shown}.")


def _require_found(wanted: Any, rows: list[Any]) -> None:
    if rows:
        return
    err.print("None of them has a key: never logged under this service, or forgotten already. Nothing was changed.")
    raise typer.Exit(_NOT_FOUND if wanted.users or wanted.keys else 0)


def _confirm(count: int, *, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        from telemetry.exceptions import ConfigurationError, Problem

        raise ConfigurationError(Problem("--yes", "is missing", "nobody is there to confirm what cannot be undone"))
    typer.confirm(f"Destroy {count} keys, for good?", abort=True, err=True)


def _report(destroyed: list[str], left: list[str], note: str, *, json: bool) -> None:
    if json:
        write_line(msgspec.json.encode({"destroyed": destroyed, "pending": left, "note": note}).decode())
    text = f"[bold]{len(destroyed)}[/] keys destroyed"
    if left:
        text += f", [bold]{len(left)}[/] wait: `telemetry subject forget --pending` or the next process finishes it"
    err.print(text)
    if note:
        err.print(escape_markup(f"note: {note}"))


@app.command(epilog=examples("telemetry subject show user-123 -c shop.toml"))
@with_connection
def show(
    load: Loader,
    users: Users = None,
    *,
    service: Services = None,
    all_services: AllServices = False,
    subject_key: Keys = None,
    json: AsJson = False,
) -> None:
    """Show the keys of subjects: since when, held or not, forgotten or about to be.

    Exit code: 0, or 4 when none has a key, or none any more.
    """
    from telemetry.cli.commands.keep.subject_work import Wanted, opened_register, row_of

    config = load()
    with opened_register(config) as register:
        wanted = Wanted(users or (), services=service or (), all_services=all_services, keys=subject_key or ())
        shown = [row_of(row, register) for row in wanted.rows(config, register)]
    _print_rows(shown, json=json)
    if not shown:
        raise typer.Exit(_NOT_FOUND)


@app.command("list", epilog=examples("telemetry subject list -c shop.toml --state forgotten --json"))
@with_connection
def list_(
    load: Loader,
    *,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those that are active, forgetting or forgotten.")
    ] = None,
    held: Annotated[bool, typer.Option("--held", help="Only those with a legal hold.")] = False,
    json: AsJson = False,
) -> None:
    """List the subjects of the store by their keys; the store does not know their names."""
    from telemetry.cli.commands.keep.subject_work import opened_register, row_of
    from telemetry.exceptions import ConfigurationError, Problem

    if state not in (None, "active", "forgetting", "forgotten"):
        raise ConfigurationError(Problem("--state", "is unknown", "use active, forgetting or forgotten"))
    with opened_register(load()) as register:
        if json:
            for row in register.rows(state=cast("Any", state)):
                if not held or row.hold is not None:
                    write_line(msgspec.json.encode(row_of(row, register)).decode())
            return
        shown = (
            row_of(row, register) for row in register.rows(state=cast("Any", state)) if not held or row.hold is not None
        )
        _print_rows(list(shown), json=False)
        counts = register.counts()
    err.print(
        f"{counts.active} active, {counts.forgetting} waiting for destruction, {counts.forgotten} forgotten, {counts.held} held"
    )


@app.command(epilog=examples('telemetry subject hold user-123 -c shop.toml --reason "case 4711"'))
@with_connection
def hold(
    load: Loader,
    users: Users = None,
    *,
    service: Services = None,
    all_services: AllServices = False,
    subject_key: Keys = None,
    json: AsJson = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    """Set a legal hold: the subjects cannot be forgotten until it is released, also if that has begun.

    A user who has no key yet gets one. The reason is sealed in the store.
    """
    from telemetry.cli.commands.keep.subject_work import Wanted, opened_register, record
    from telemetry.exceptions import ConfigurationError, Problem
    from telemetry.trail.read_event import Access, os_user

    if not reason:
        raise ConfigurationError(Problem("--reason", "is missing", "say why, such as the number of a case"))
    config = load()
    with opened_register(config, creates=True) as register:
        wanted = Wanted(users or (), services=service or (), all_services=all_services, keys=subject_key or ())
        for source in wanted.sources(config, register):
            for user in wanted.users:
                register.give_key(user, source=source)
        rows = [row for row in wanted.rows(config, register) if row.state != "forgotten"]
        _require_found(wanted, rows)
        key_ids = [row.key_id for row in rows]
        access = Access(reader=by, reason=reason, program="telemetry subject hold")
        record(config, access, event_type="telemetry.held", rows=rows)
        made = register.hold(rows, by=by or os_user(), reason=reason)
    if json:
        write_line(msgspec.json.encode({"hold": made.hold_id, "keys": key_ids}).decode())
    err.print(f"hold [bold]{made.hold_id}[/] on {len(rows)} keys")


@app.command(epilog=examples('telemetry subject release user-123 -c shop.toml --reason "case 4711 is closed"'))
@with_connection
def release(
    load: Loader,
    users: Users = None,
    *,
    service: Services = None,
    all_services: AllServices = False,
    subject_key: Keys = None,
    json: AsJson = False,
    by: By = None,
    reason: Reason = None,
) -> None:
    """Release a legal hold. A subject that was about to be forgotten when the hold was set will be.

    Exit code: 0, or 4 when none of them has a hold.
    """
    from telemetry.cli.commands.keep.subject_work import Wanted, opened_register, record
    from telemetry.trail.read_event import Access

    config = load()
    with opened_register(config) as register:
        wanted = Wanted(users or (), services=service or (), all_services=all_services, keys=subject_key or ())
        rows = [row for row in wanted.rows(config, register) if row.hold is not None]
        if rows:
            access = Access(reader=by, reason=reason, program="telemetry subject release")
            record(config, access, event_type="telemetry.released", rows=rows)
        released = register.release(rows)
    if json:
        write_line(msgspec.json.encode({"released": [row.key_id for row in rows]}).decode())
    err.print(f"[bold]{released}[/] holds released")
    if not rows:
        raise typer.Exit(_NOT_FOUND)


@app.command(epilog=examples("telemetry subject rewrap -c shop.toml --all-services"))
@with_connection
def rewrap(load: Loader, *, all_services: AllServices = False, json: AsJson = False) -> None:
    """Seal the keys of all subjects anew, under a store key that the present KEK wraps.

    Run it after a rotation of the KEK. When the former KEK is then destroyed, so is every key in old copies of the store.
    """
    from telemetry.cli.commands.keep.subject_work import opened_register
    from telemetry.format.value.message import source_of

    config = load()
    with opened_register(config) as register:
        sources = register.sources() if all_services else [source_of(config.environment, config.service_name)]
        for source in sources:
            done = register.rewrap(source)
            if json:
                write_line(msgspec.json.encode({"source": source, **done._asdict()}).decode())
            err.print(
                f"{escape_markup(source)}: [bold]{done.keys}[/] keys sealed anew, {done.removed} former store keys removed, {done.kept} kept"
            )


def _print_rows(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        for row in rows:
            write_line(msgspec.json.encode(row).decode())
        return
    table = Table("key", "source", "state", "since", "hold")
    for row in rows:
        since = row["forgotten"] or row["forgetting_since"] or row["created"]
        held = row["hold"]
        hold_text = f"{held['id']} by {held['by']} since {held['since']}: {held['reason']}" if held else ""
        shown = (row["key"], row["source"], row["state"], str(since), hold_text)
        table.add_row(*(escape_markup(escape_control(text)) for text in shown))
    # Never shortened, however narrow the terminal: --subject-key takes the whole name.
    table.columns[0].min_width = max((len(row["key"]) for row in rows), default=0)
    out.print(table, crop=False)
