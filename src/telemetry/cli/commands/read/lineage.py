"""Implements ``telemetry lineage``: follows one event from the call to the checkpoint that covers it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.sources import (
    NO_TOPIC,
    ArchiveUri,
    File,
    FromTrail,
    TrailOrigin,
    archive_place,
    require_one_place,
)
from telemetry.cli.options.trust import PublicKeys, Trust, trust_policy
from telemetry.cli.output.bars import Bars
from telemetry.cli.output.console import err, escape_control, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.timeline import draw
from telemetry.exceptions import (
    ConfigurationError,
    Problem,
    TamperedError,
    TelemetryError,
)
from telemetry.format.uuid7 import is_uuid
from telemetry.reader import DamagedRecord, Entry, OpenedEvent
from telemetry.reader.prove.lineage import Lineage
from telemetry.reader.prove.redacted_lineage import RedactedLineage
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.life_steps import life_steps, means_altered
from telemetry.trail.read_event import Access, record_access
from telemetry.trail.tracing import EventTracer

app = typer.Typer(add_completion=False)


@app.command(
    "lineage",
    epilog=examples(
        "telemetry lineage 0198c0de-1111-7222-8333-444455556666 -c telemetry.toml --trust trust.toml",
        "telemetry lineage 0198c0de-1111-7222-8333-444455556666 -c telemetry.toml --json | jq -r .records[].call.trace_id",
    ),
)
@with_connection
def lineage(
    load: Loader,
    event_id: Annotated[str, typer.Argument(help="The event's id: `receipt.event_id`, or as `tail --json` shows it.")],
    *,
    public_key: PublicKeys = None,
    trust: Trust = None,
    origin: FromTrail = TrailOrigin.TRAIL,
    archive: ArchiveUri = None,
    file: File = None,
    open_: Annotated[bool, typer.Option("--open", help="Decrypt the event too; needs access to its key.")] = False,
    reader: Reader = None,
    reason: Reason = None,
    json: Annotated[bool, typer.Option("--json", help="Print the lineage as JSON.")] = False,
) -> None:
    """Follow one event: call, sealing, batch, fallback and replay, place on the topic, checkpoint. All copies are listed.

    Needs no right to decrypt, because all of it is in the clear part; --open decrypts the event too and is recorded in
    the trail. The topic is read from shortly before the event's own time, which is part of its id, and from the
    beginning if the event is not found there. With --file a copy is read in place of topic and store, and no broker is
    asked, unless --open records the read; each place is then what the file says. With --from archive the archive is read:
    the days around the event first, and of them its producer alone.

    Of an event that was redacted in the archive the leaf hash is left: it is shown, with whether a checkpoint proves it.

    Exit code: 0, 3 when the record was altered, 4 when the event was not found or, with trusted keys, is not proven,
    5 when --open got no key, 7 when the read could not be recorded.
    """
    if not is_uuid(event_id):
        raise ConfigurationError(Problem("EVENT_ID", "is not the id of an event", "copy it from `tail --json`"))
    if file is not None and file.exists() and not file.is_file():
        raise ConfigurationError(Problem("--file", "is read twice, and a pipe can be read once", "name a regular file"))
    require_one_place(origin, archive, file)
    is_copy = file is not None or origin is TrailOrigin.ARCHIVE
    unneeded = {} if open_ else {"encryption_enabled": False, **(NO_TOPIC if is_copy else {})}
    config = load(fallback_enabled=False, **unneeded)
    policy = trust_policy(public_key, trust, configured=config.audit_config.trust_file)
    asked = Access(reader=reader, reason=reason, program="telemetry lineage") if open_ else None
    with ExitStack() as stack:
        place = None
        if origin is TrailOrigin.ARCHIVE:
            place = stack.enter_context(archive_place(config, archive, policy))
        tracer = EventTracer(config, event_id, file=file, place=place, progress=Bars())
        _show(tracer, event_id, policy=policy or TrustPolicy(()), access=asked, json=json)


def _show(tracer: EventTracer, event_id: str, *, policy: TrustPolicy, access: Access | None, json: bool) -> None:
    """Trace the event, print what was found, and end with the exit code that says it."""
    # 1. Find the records that claim the id, and the checkpoints that cover them.
    records = tracer.trace(policy)
    # 2. Record the read before anything is opened.
    if access is not None:
        places = [str(one.raw.place) for one in records]
        sources = [{"kind": "records", "places": places}]
        record_access(tracer.config, access, sources=sources, filters={"ids": [event_id]})
    # 3. Open them.
    opened = [tracer.open(one) if access is not None else None for one in records]
    reasons = tracer.reasons(records)
    if json:
        shown = [_as_dict(one, entry, reasons) for one, entry in zip(records, opened, strict=True)]
        redacted = [one.to_dict() for one in tracer.redacted]
        found = {"id": event_id, "records": shown} | ({"redacted": redacted} if redacted else {})
        write_line(msgspec.json.encode(found | {"read": asdict(tracer.tally)}).decode())
    else:
        for one, entry in zip(records, opened, strict=True):
            draw(out, list(life_steps(one, entry, reasons, has_keys=bool(policy.keys))))
        for gone in tracer.redacted:
            out.print(Text(escape_control(_redacted_line(gone, has_keys=bool(policy.keys)))), soft_wrap=True)
        tally = tracer.tally
        unreadable = f", of which {tally.unreadable} could not be read" if tally.unreadable else ""
        err.print(
            f"{tally.records} records read{unreadable}; copies are shown in the order of their times", style="dim"
        )
    if len(records) > 1:
        err.print(f"[bold red]{len(records)} different records claim to be this event[/]: at most one was signed")
    raise typer.Exit(_exit_code(records, opened, tracer.redacted))


def _redacted_line(gone: RedactedLineage, *, has_keys: bool) -> str:
    event = gone.event
    worth = "a checkpoint proves it" if gone.is_proven else f"not proven: {gone.problem}" if has_keys else "not judged"
    return (
        f"redacted in the archive on request {event.request or '-'} ({event.reason or 'no reason given'}): its value is gone. "
        f"Left are producer {event.producer}, sequence {event.sequence}, at {event.place}, and its leaf hash "
        f"{event.leaf.hex()}: {worth}"
    )


def _exit_code(records: Sequence[Lineage], opened: Sequence[Entry | None], redacted: Sequence[RedactedLineage]) -> int:
    errors: list[TelemetryError] = [one.problem for one in records if one.problem is not None]
    errors += [one.problem for one in redacted if one.problem is not None]
    errors += [entry.error for entry in opened if isinstance(entry, DamagedRecord)]
    if len(records) > 1 or any(means_altered(error) for error in errors):
        return TamperedError.exit_code
    # 5 (no key) outranks 4 (not proven): without the key nothing was opened at all.
    return max((error.exit_code for error in errors), default=0)


def _as_dict(record: Lineage, entry: Entry | None, reasons: dict[str, str]) -> dict[str, Any]:
    values = record.to_dict()
    for delivery in values["deliveries"]:
        delivery["reason"] = reasons.get(delivery["fallback_object"] or "")
    if isinstance(entry, OpenedEvent):
        values["event"] = entry.event.to_dict()
    elif isinstance(entry, DamagedRecord):
        values["not_opened"] = str(entry.error)
    return values
