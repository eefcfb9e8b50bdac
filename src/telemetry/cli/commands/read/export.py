"""Implements ``telemetry export``: gives the opened trail to other tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer
from rich.text import Text

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.ends import end_of, parse_end
from telemetry.cli.options.form import Format, FormOptions, with_form
from telemetry.cli.options.reading import ReadOptions, with_reading
from telemetry.cli.options.sources import NO_TOPIC
from telemetry.cli.output.console import err, escape_control
from telemetry.cli.output.counter import MAX_REPORTED, EntryCounter
from telemetry.cli.output.examples import examples
from telemetry.cli.output.new_file import new_file
from telemetry.cli.output.sorting.event_order import EventOrder, SortBy
from telemetry.cli.output.summary import read_summary, show_summary
from telemetry.cli.output.terminal import TerminalStream
from telemetry.exceptions import ConfigurationError, MalformedRecordError, Problem, TamperedError, TelemetryError
from telemetry.reader import DamagedRecord, OpenedEvent
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.mappings.writers import EventWriter
from telemetry.reader.sources.lines import write_line
from telemetry.reader.sources.source import Source
from telemetry.trail.trail import Trail

_ORDERS = {
    SortBy.TIME: "the time of logging",
    SortBy.OCCURRED: "the time at which events occurred",
    SortBy.ARRIVAL: "arrival",
}

app = typer.Typer(add_completion=False)


@app.command(
    "export",
    epilog=examples(
        "telemetry export -c telemetry.toml --since 2026-01-01 --until 2026-02-01 --format parquet -o january.parquet",
        "telemetry export -c telemetry.toml --type 'login*' --outcome denied --schema ocsf | jq .",
    ),
)
@with_connection
@with_reading
@with_form
def export(
    load: Loader,
    read: ReadOptions,
    form: FormOptions,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, mode 0600; default: standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Write the records unchanged and sealed; needs no key and opens nothing."),
    ] = False,
    end_offset: Annotated[
        int | None, typer.Option("--end-offset", min=0, help="Stop before this offset in every partition.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            metavar="TOPIC:0=OFFSET,1=...|@FILE",
            help="Stop where an earlier export ended, as it said or wrote with --ends: the output is the same.",
        ),
    ] = None,
    ends: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write where the topic ended to this file, mode 0600, for --end @FILE."),
    ] = None,
    sort: Annotated[
        SortBy | None,
        typer.Option(
            help="Order of the events: time of logging (default), time at which they occurred, or arrival on the topic."
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print what was read and left out as a JSON object, to standard error.")
    ] = False,
) -> None:
    """Decrypt the trail, check every byte, and write it as JSON lines, CSV or Parquet, as it is or in a published schema.

    The read is recorded in the trail first.

    Events are sorted by the time at which they were logged. The same range gives the same bytes each time: at the end the
    command says where the topic ended for it, for --end, and writes it to the file of --ends.

    The file appears when it is complete; a run that fails leaves no file. A damaged record is left out and reported
    with its place. Control characters in JSON are escaped; CSV cells cannot become formulas.

    Exit code: 0, 3 when a record was damaged or altered or two claim one place, 5 when data keys were missing, 7 when the
    read could not be recorded.
    """
    # A missing extra is reported before anything is opened or recorded.
    form.require_library()
    if form.has_layout and form.lake is None:
        form, out = form.into(out), None
    if form.lake is not None and out is not None:
        raise ConfigurationError(Problem("--lake", "writes files of its own", "leave out --out"))
    if out is None and form.lake is None and form.format is Format.PARQUET and sys.stdout.isatty():
        raise ConfigurationError(Problem("--out", "a terminal cannot show Parquet", "name a file"))
    closed = {"encryption_enabled": False, **(NO_TOPIC if read.is_of_copy else {})} if sealed else {}
    config = load(fallback_enabled=False, **closed)
    within = read.read_range(end_offset=end_offset)
    if end is not None:
        within = replace(within, ends=parse_end(end, topic=config.audit_config.kafka_topic))
    _require_end(read, out, ends)
    if sealed:
        # Nothing is opened, so no read has to be recorded, and no key has to be configured.
        _require_unfiltered(read, form, sort)
        with (
            read.sources(config, within, label="copying") as sources,
            _target(out, force=force) as target,
            _end_file(ends, force=force) as note,
        ):
            summary = _copy(sources, target)
            ended = end_of(sources)
            note.write(f"{ended}\n".encode())
        _conclude(summary, to=str(out or ""), json=json, ended=ended, ends=ends)
        # After the file is complete: what could be read must not be lost with what could not.
        if summary["damaged"]:
            raise typer.Exit(TamperedError.exit_code)
        return
    counter, by = EntryCounter(), sort or SortBy.TIME
    # The file first: an export that cannot be written must not be recorded as a read.
    with (
        _target(out, force=force) as target,
        _end_file(ends, force=force) as note,
        form.writing(target) as writer,
        read.trail(config, within, program="telemetry export", label="exporting") as trail,
    ):
        _write(trail, counter, writer, by)
        target.flush()
        ended = end_of(trail.sources)
        note.write(f"{ended}\n".encode())
    remarks = (*form.remarks(), *writer.remarks())
    summary = read_summary(trail, counter, {"written": counter.events})
    _conclude(summary, to=str(out or form.lake or ""), json=json, ended=ended, ends=ends, order=by, remarks=remarks)
    if config.audit_config.encryption_enabled:
        counter.warn()
    if counter.exit_code:
        err.print(f"[bold red]{counter.complaint()}[/]")
    raise typer.Exit(counter.exit_code_of(trail.counts, is_strict=read.is_strict))


def _require_unfiltered(read: ReadOptions, form: FormOptions, sort: SortBy | None) -> None:
    if read.selected.selects_by_content:
        reason = "does not open events, so they can only be filtered by time"
        raise ConfigurationError(Problem("--sealed", reason, "leave out the filters other than --since and --until"))
    if not form.is_plain:
        remedy = "leave out --schema, --format and --columns"
        raise ConfigurationError(Problem("--sealed", "writes records as JSON lines", remedy))
    if sort not in (None, SortBy.ARRIVAL):
        reason = "writes records in the order of their arrival"
        raise ConfigurationError(Problem("--sealed", reason, "leave out --sort, and sort what is opened later"))


def _require_end(read: ReadOptions, out: Path | None, ends: Path | None) -> None:
    if ends is None:
        return
    if not read.is_of_topic:
        raise ConfigurationError(Problem("--ends", "says where a topic ended", "leave it out, or read the topic alone"))
    if out is not None and out.absolute() == ends.absolute():
        raise ConfigurationError(Problem("--ends", "is the file of --out", "name two files"))


def _copy(sources: Iterable[Source], target: BinaryIO) -> dict[str, int]:
    """Write every record that can be read; return what became of them."""
    copied = damaged = redacted = 0
    for record in chain.from_iterable(sources):
        if isinstance(record, (RedactedEvent, EndedRun)):
            # There is no value to copy.
            redacted += isinstance(record, RedactedEvent)
            continue
        raw = record.raw if isinstance(record, DamagedRecord) else record
        try:
            if isinstance(record, DamagedRecord):
                raise record.error
            target.write(write_line(raw))
            copied += 1
        except (TelemetryError, ValueError) as exc:
            damaged += 1
            if damaged <= MAX_REPORTED:
                err.print(Text(escape_control(f"{raw.place}: {exc}"), style="red"))
    target.flush()
    found = {"records": copied + damaged + redacted, "copied": copied, "damaged": damaged}
    return found | ({"redacted": redacted} if redacted else {})


def _conclude(
    summary: dict[str, int],
    *,
    to: str,
    json: bool,
    ended: str,
    ends: Path | None,
    order: SortBy = SortBy.ARRIVAL,
    remarks: Sequence[str] = (),
) -> None:
    """Say what was read, in which order it was written, how to write it again, and what is remarkable."""
    notes: dict[str, Any] = {"order": str(order)}
    notes |= {"end": ended} if ended else {}
    notes |= {"remarks": list(remarks)} if remarks else {}
    show_summary(summary, json=json, to=to, notes=notes)
    if json:
        return
    again = (
        f"; this export ended at {ended}: give --end {f'@{ends}' if ends else ended} to write it again" if ended else ""
    )
    err.print(f"in the order of {_ORDERS[order]}{again}", style="dim", markup=False, soft_wrap=True)
    for remark in remarks:
        err.print(Text(escape_control(remark), style="yellow"))


def _ordered(trail: Trail, counter: EntryCounter, by: SortBy) -> Iterator[OpenedEvent]:
    events = (event for event in map(counter.event, trail) if event is not None)
    if by is SortBy.ARRIVAL:
        yield from events
        return
    with EventOrder(by) as order:
        for event in events:
            order.add(event)
        yield from order


def _write(trail: Trail, counter: EntryCounter, writer: EventWriter, by: SortBy) -> None:
    for opened in _ordered(trail, counter, by):
        try:
            writer.write(opened)
        except ValueError as exc:
            # Nothing of the event was written, so the next one can follow.
            message = f"the event does not fit the schema: {exc}"
            counter.withdraw(opened, MalformedRecordError(message))
    writer.close()


@contextmanager
def _end_file(ends: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    if ends is None:
        yield BytesIO()
        return
    with new_file(ends, replace=force, option="--ends", has_force=True) as stream:
        yield stream


@contextmanager
def _target(out: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    if out is not None and str(out) != "-":
        with new_file(out, replace=force, has_force=True) as stream:
            yield stream
        return
    try:
        # On a terminal people look at it; other programs get the exact bytes.
        yield cast("BinaryIO", TerminalStream(sys.stdout.buffer)) if sys.stdout.isatty() else sys.stdout.buffer
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`. Python flushes the buffer at exit: let it flush into nothing.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise typer.Exit(0) from None
