"""``telemetry export``: give the opened trail to other tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO

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
from telemetry.cli.output.console import err, neutral
from telemetry.cli.output.counter import MAX_REPORTED, Sift
from telemetry.cli.output.new_file import new_file
from telemetry.cli.output.writers import EventWriter, writer_of
from telemetry.exceptions import ConfigurationError, MalformedRecordError, Problem, TamperedError, TelemetryError
from telemetry.reader import DamagedRecord, EventFilter, RawRecord
from telemetry.reader.mappings import SCHEMAS
from telemetry.reader.sources.lines import write_line
from telemetry.trail.trail import Trail, open_trail


class Format(StrEnum):
    """How events are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Form(StrEnum):
    """What is written of each event."""

    EVENT = "event"
    CLOUDEVENTS = "cloudevents"
    OCSF = "ocsf"
    CADF = "cadf"


@with_connection
def export(  # noqa: PLR0913 - each argument is an option of the command
    load: Loader,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, mode 0600; default: standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take the place of a file that exists.")] = False,
    form: Annotated[Form, typer.Option("--schema", help="What is written of each event.")] = Form.EVENT,
    format_: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.JSONL,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Write the records as they stand, sealed: needs no key and opens nothing."),
    ] = False,
    origin: From = Origin.TOPIC,
    file: File = None,
    offset: Offset = None,
    end_offset: Annotated[
        int | None, typer.Option("--end-offset", min=0, help="Up to this offset in every partition, without it.")
    ] = None,
    since: Since = None,
    until: Until = None,
    late: Late = LATE,
    user: Users = None,
    event_type: Types = None,
    outcome: Outcomes = None,
    text: Text = None,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Write duplicates too.")] = False,
    reader: Reader = None,
    reason: Reason = None,
) -> None:
    """Decrypt the trail, check every byte, and write it as JSON lines, CSV or Parquet, as it is or in a published schema.

    The read is recorded in the trail first.

    The file appears when everything is written; a run that breaks leaves nothing behind. A damaged record is reported
    with its place and left out. Control characters in JSON are escaped; CSV cells cannot become formulas.

    Exit code: 0, 3 when a record was damaged or altered, 5 when data keys were missing, 7 when the read could not be
    recorded.

    [bold]Examples[/]

      telemetry export -c telemetry.toml --since 2026-01-01 --until 2026-02-01 --format parquet -o january.parquet

      telemetry export -c telemetry.toml --type 'login*' --outcome denied --schema ocsf | jq .
    """
    wanted = Wanted(user=user, event_type=event_type, outcome=outcome, text=text, since=since, until=until, late=late)
    make = writer_of(format_)
    if out is None and format_ is Format.PARQUET and sys.stdout.isatty():
        raise ConfigurationError(Problem("--out", "a terminal cannot show Parquet", "name a file"))
    within = wanted.read_range(offset=offset, end_offset=end_offset)
    if sealed:
        _require_plain(wanted, form, format_)
        audit = load(fallback_enabled=False, encryption_enabled=False).audit_config
        with sources_of(audit, origin, file, within, label="copying") as sources, _target(out, force=force) as target:
            _copy(sources, target, out)
        return
    config, sift = load(fallback_enabled=False), Sift()
    with (
        _target(out, force=force) as target,
        sources_of(config.audit_config, origin, file, within, label="exporting") as sources,
        open_trail(
            config,
            *sources,
            wanted=wanted.filter,
            duplicates=duplicates,
            reader=reader,
            reason=reason,
            program="telemetry export",
        ) as trail,
    ):
        _write(trail, sift, make(target, SCHEMAS[form]))
        target.flush()
    _tell(sift, trail, out)
    if config.audit_config.encryption_enabled:
        sift.warn()
    if sift.exit_code:
        raise typer.Exit(sift.exit_code)


def _require_plain(wanted: Wanted, form: Form, format_: Format) -> None:
    if wanted.filter != EventFilter(since=wanted.filter.since, until=wanted.filter.until):
        raise ConfigurationError(Problem("--sealed", "leaves events unopened: nothing is known of them to filter by"))
    if form is not Form.EVENT or format_ is not Format.JSONL:
        raise ConfigurationError(Problem("--sealed", "writes records as JSON lines", "leave --schema and --format out"))


def _copy(sources: Iterable[Iterable[RawRecord | DamagedRecord]], target: BinaryIO, out: Path | None) -> None:
    copied = damaged = 0
    for record in chain.from_iterable(sources):
        raw = record.raw if isinstance(record, DamagedRecord) else record
        try:
            if isinstance(record, DamagedRecord):
                raise record.error
            target.write(write_line(raw))
            copied += 1
        except (TelemetryError, ValueError) as exc:
            damaged += 1
            if damaged <= MAX_REPORTED:
                err.print(Styled(neutral(f"{raw.place}: {exc}"), style="red"))
    target.flush()
    _show_counts({"copied": copied, "damaged": damaged}, out)
    if damaged:
        raise typer.Exit(TamperedError.exit_code)


def _write(trail: Trail, sift: Sift, writer: EventWriter) -> None:
    try:
        for entry in trail:
            opened = sift.event(entry)
            if opened is None:
                continue
            try:
                writer.write(opened)
            except ValueError as exc:
                message = f"the event does not fit the schema: {exc}"
                sift.withdraw(opened, MalformedRecordError(message))
        writer.close()
    except BaseException:
        writer.discard()
        raise


def _tell(sift: Sift, trail: Trail, out: Path | None) -> None:
    counts = {"written": sift.taken, "filtered out": trail.filtered, "duplicates": trail.duplicates_dropped}
    _show_counts(counts | {"damaged": sift.damaged, "not opened": sift.unopened}, out)
    if sift.exit_code:
        err.print(f"[bold red]{sift.complaint()}[/]")


def _show_counts(counts: dict[str, int], out: Path | None) -> None:
    shown = "  ".join(f"[bold]{count}[/] {name}" for name, count in counts.items())
    err.print(shown + (f"  to {neutral(str(out))}".replace("[", r"\[") if out else ""))


@contextmanager
def _target(out: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    if out is not None and str(out) != "-":
        with new_file(out, replace=force, has_force=True) as stream:
            yield stream
        return
    try:
        yield sys.stdout.buffer
    except BrokenPipeError:
        # Whoever reads has seen enough, as with `| head`; what is still in the buffer goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise typer.Exit(0) from None
