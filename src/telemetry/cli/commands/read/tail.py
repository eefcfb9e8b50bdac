"""Implements ``telemetry tail``: decrypts and prints the trail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.reading import ReadOptions, with_reading
from telemetry.cli.output.column_line import ColumnLine
from telemetry.cli.output.console import err, out, write_line
from telemetry.cli.output.counter import EntryCounter
from telemetry.cli.output.event_line import event_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.summary import read_summary, show_summary
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import event_record
from telemetry.trail.trail import Trail

app = typer.Typer(add_completion=False)


@app.command(
    "tail",
    epilog=examples(
        'telemetry tail -c telemetry.toml --since 15m --outcome denied --reason "ticket 4711"',
        "telemetry tail -c telemetry.toml --follow --type 'login*' --json | jq .payload",
        "telemetry tail -c telemetry.toml --follow --json --group siem | shipper",
    ),
)
@with_connection
@with_reading
def tail(
    load: Loader,
    read: ReadOptions,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line: every field of the event.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue with new events until interrupted (Ctrl-C).")
    ] = False,
    last: Annotated[
        int | None,
        typer.Option("--last", "-n", min=1, help="Print only the selected events that arrived last, so many."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Continue where this consumer group stopped, and commit what was printed."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="PATH,PATH...", help="Print these members alone, such as time,user_id,payload.client.ip."),
    ] = None,
    sensitive: Annotated[
        bool,
        typer.Option("--sensitive", help="Show payload and changes of sensitive events too; --json is always whole."),
    ] = False,
    proof_wait: Annotated[
        float | None,
        typer.Option("--proof-wait", min=0, help="With --follow: seconds that an event waits for its checkpoint."),
    ] = None,
) -> None:
    """Read the trail, decrypt it, check every byte, and print it. The read is recorded in the trail first.

    Reads from the beginning to the end and stops there, unless --follow. Events come in the order in which they arrived on
    the topic, over all partitions. With --last the topic is read from its end, further back until enough is found.
    Control characters in events are shown as escapes. --columns chooses what is printed of each event, in a line or, with
    --json, in an object; a line has a hyphen for what an event lacks. With --public-key or --trust each event is shown with whether a
    checkpoint proves it; with --follow most are pending, because their checkpoint comes some seconds later, unless they
    wait for it with --proof-wait.

    Exit code: 0, 3 when a record was damaged or altered or two claim one place, 5 when data keys were missing, 7 when the
    read could not be recorded. Ctrl-C, SIGTERM and SIGHUP end --follow with the same codes.
    """
    _require_fitting(follow=follow, last=last, group=group, proof_wait=proof_wait)
    form = ColumnLine(columns) if columns is not None else None
    config = load(fallback_enabled=False)
    counter = EntryCounter(is_deferred=last is not None)
    within = read.read_range(follow=follow, group=group)
    # On a terminal the progress bar would be drawn between the events.
    wait = (proof_wait or 0.0) if follow else None
    shown = 0
    with read.trail(
        config, within, program="telemetry tail", label="reading", shown=not out.is_terminal, proof_wait=wait
    ) as trail:
        try:
            for event in _selected(trail, counter, last=last):
                _show(event, form, json=json, with_sensitive=sensitive)
                shown += 1
                # Before the next event is asked for, which commits this one for the group.
                if follow or group is not None:
                    sys.stdout.flush()
        except KeyboardInterrupt:
            # Ctrl-C is how --follow ends; otherwise the output is incomplete, and the exit code must say so.
            if not follow:
                raise
    earlier = {} if last is None else {"earlier": counter.events - shown}
    notes = {"whole": trail.is_whole}
    show_summary(read_summary(trail, counter, {"shown": shown} | earlier), json=json, notes=notes)
    if last is not None and shown < last:
        err.print(f"[yellow]the trail has {shown} such events, and was read from its beginning[/]")
    if counter.exit_code:
        err.print(f"[bold red]{counter.complaint()}[/]")
    if config.audit_config.encryption_enabled:
        counter.warn()
    raise typer.Exit(counter.exit_code_of(trail.counts, is_strict=read.is_strict, is_ended=not follow))


def _require_fitting(*, follow: bool, last: int | None, group: str | None, proof_wait: float | None) -> None:
    if last is not None and (follow or group is not None):
        option = "--follow" if follow else "--group"
        raise ConfigurationError(Problem("--last", f"has no meaning with {option}", "leave one of them out"))
    if proof_wait is not None and not follow:
        raise ConfigurationError(Problem("--proof-wait", "has no meaning without --follow", "leave it out"))


def _selected(trail: Trail, counter: EntryCounter, *, last: int | None) -> Iterator[OpenedEvent]:
    if last is None:
        yield from (event for event in map(counter.event, trail) if event is not None)
        return
    events = trail.last(last, observer=counter)
    counter.show_reports()
    yield from events


def _show(opened: OpenedEvent, form: ColumnLine | None, *, json: bool, with_sensitive: bool) -> None:
    if json:
        record = event_record(opened) if form is None else form.record(opened)
        write_line(msgspec.json.encode(record).decode())
    elif form is None:
        out.print(event_line(opened, with_sensitive=with_sensitive))
    else:
        out.print(form.line(opened, with_sensitive=with_sensitive))
