"""Implements ``telemetry lineage``: follows one event from the call to the checkpoint that covers it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.options.reader import Reader, Reason
from telemetry.cli.options.records import ReadTally, trail_records
from telemetry.cli.options.sources import NO_TOPIC, File
from telemetry.cli.options.trust import PublicKeys, Trust, trust_policy
from telemetry.cli.output.console import err, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.cli.output.timeline import Step, draw
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import (
    ConfigurationError,
    FormatError,
    IncompleteError,
    KeyMismatchError,
    Problem,
    StorageError,
    TamperedError,
    TelemetryError,
    VerificationError,
)
from telemetry.format.objects.any_object import object_reason
from telemetry.format.objects.stored_name import REJECTED, parse_stored_name
from telemetry.format.uuid7 import created_at, is_uuid
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, RawRecord, RecordOpener
from telemetry.reader.prove.lineage import Lineage, LineageTracer, RecordCopy, key_version
from telemetry.reader.trust import TrustPolicy
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.trail.read_event import Access, record_access

_EARLIER_SECONDS = 600.0
"""How far before the event's own time the topic is read: clocks differ, and the checkpoint before it is needed too."""
_SHOWN = 300
"""Maximum characters shown of one value."""
_CALL_FIELDS = ("id", "time", "event_type", "service_name", "environment", "producer", "sequence", "schema_version")
"""Fields of an event that the first step shows already, from the clear part."""

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
    asked, unless --open records the read; each place is then what the file says.

    Exit code: 0, 3 when the record was altered, 4 when the event was not found or, with trusted keys, is not proven,
    5 when --open got no key, 7 when the read could not be recorded.
    """
    if not is_uuid(event_id):
        raise ConfigurationError(Problem("EVENT_ID", "is not the id of an event", "copy it from `tail --json`"))
    if file is not None and file.exists() and not file.is_file():
        raise ConfigurationError(Problem("--file", "is read twice, and a pipe can be read once", "name a regular file"))
    unneeded = {} if open_ else {"encryption_enabled": False, **(NO_TOPIC if file is not None else {})}
    config = load(fallback_enabled=False, **unneeded)
    audit = config.audit_config
    policy = trust_policy(public_key, trust, configured=audit.trust_file) or TrustPolicy(())
    # 1. Find the records that claim the id, and the checkpoints that cover them.
    tally = ReadTally()
    trail = _Place(config, file)
    records = _trace(trail, event_id, policy, tally)
    # 2. Record the read before anything is opened.
    if open_:
        access = Access(reader=reader, reason=reason, program="telemetry lineage")
        places = [str(one.raw.place) for one in records]
        record_access(config, access, sources=[{"kind": "records", "places": places}], filters={"ids": [event_id]})
    # 3. Open them.
    opened = [_open(trail, one, event_id) if open_ else None for one in records]
    reasons = _reasons(audit, records)
    if json:
        shown = [_as_dict(one, entry, reasons) for one, entry in zip(records, opened, strict=True)]
        write_line(msgspec.json.encode({"id": event_id, "records": shown, "read": asdict(tally)}).decode())
    else:
        for one, entry in zip(records, opened, strict=True):
            draw(out, list(_steps(one, entry, reasons, has_keys=bool(policy.keys))))
        unreadable = f", of which {tally.unreadable} could not be read" if tally.unreadable else ""
        err.print(
            f"{tally.records} records read{unreadable}; copies are shown in the order of their times", style="dim"
        )
    if len(records) > 1:
        err.print(f"[bold red]{len(records)} different records claim to be this event[/]: at most one was signed")
    raise typer.Exit(_exit_code(records, opened))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the trail is read: the store and the topic of a configuration, or a file."""

    config: TelemetryConfig
    file: Path | None

    def records(self, label: str, **options: Any) -> Iterator[RawRecord | DamagedRecord]:
        return trail_records(self.config, label, file=self.file, **options)


def _trace(trail: _Place, event_id: str, policy: TrustPolicy, tally: ReadTally) -> list[Lineage]:
    # A file has no index of times, and is read whole.
    created = created_at(event_id) if trail.file is None else None
    # The topic around the event's own time first: a trail can be years long.
    near = None if created is None else created - _EARLIER_SECONDS
    for since in [near, None] if near is not None else [None]:
        tracer = LineageTracer(event_id, trusted=policy)
        if not tracer.find(trail.records("looking for the event", since=since, headers=True, tally=tally)):
            continue
        lineages = tracer.trace(trail.records("looking for its checkpoint", since=since, tally=tally))
        # The proof may need older records: checkpoints can be further apart.
        if since is None or not any(one.covering and isinstance(one.problem, IncompleteError) for one in lineages):
            return lineages
    message = f"event {event_id} is not in the trail that was read"
    raise IncompleteError(message)


def _open(trail: _Place, record: Lineage, event_id: str) -> Entry:
    with ExitStack() as stack:
        encryption = trail.config.audit_config.encryption_config
        provider = EncryptionProviderFactory.create(encryption) if encryption else None
        if provider is not None:
            stack.callback(provider.close)
        opener = RecordOpener(provider)
        stack.callback(opener.close)
        return opener.open_among(record.raw, _around(trail, event_id))


def _around(trail: _Place, event_id: str) -> Iterator[RawRecord | DamagedRecord]:
    """Yield the records among which one may name a wrap of the event's data key, which is older than the event."""
    created = created_at(event_id) if trail.file is None else None
    if created is not None:
        audit = trail.config.audit_config
        since = created - audit.data_key_max_age_seconds - audit.data_key_grace_seconds
        yield from trail.records("looking for the data key", since=since)
    yield from trail.records("looking for the data key")


def _reasons(audit: AuditConfig, records: Sequence[Lineage]) -> dict[str, str]:
    """Return the reason for which each object that is still in the store was stored, by its name."""
    # The reason is in the header of the object only, and only objects that were not replayed are still there.
    names = {copy.place.name for one in records for copy in one.copies if copy.place.name}
    if audit.storage_config is None or not names:
        return {}
    with StorageProviderFactory.create(audit.storage_config) as store:
        return dict(_reasons_of(store, names))


def _reasons_of(store: StorageProvider, names: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        try:
            yield name, object_reason(store.stream(name), name)
        except (StorageError, FormatError, VerificationError):
            continue  # the object was replayed or damaged after the record was read


def _exit_code(records: Sequence[Lineage], opened: Sequence[Entry | None]) -> int:
    errors: list[TelemetryError] = [one.problem for one in records if one.problem is not None]
    errors += [entry.error for entry in opened if isinstance(entry, DamagedRecord)]
    if len(records) > 1 or any(_means_altered(error) for error in errors):
        return TamperedError.exit_code
    # 5 (no key) outranks 4 (not proven): without the key nothing was opened at all.
    return max((error.exit_code for error in errors), default=0)


def _means_altered(error: TelemetryError) -> bool:
    """Whether an error says that the record was altered, not only that something is not available."""
    return isinstance(error, (TamperedError, FormatError, KeyMismatchError))


def _as_dict(record: Lineage, entry: Entry | None, reasons: dict[str, str]) -> dict[str, Any]:
    values = record.to_dict()
    for delivery in values["deliveries"]:
        delivery["reason"] = reasons.get(delivery["fallback_object"] or "")
    if isinstance(entry, OpenedEvent):
        values["event"] = entry.event.to_dict()
    elif isinstance(entry, DamagedRecord):
        values["not_opened"] = str(entry.error)
    return values


def _steps(record: Lineage, entry: Entry | None, reasons: dict[str, str], *, has_keys: bool) -> Iterator[Step]:
    yield _call(record, entry)
    yield _sealing(record, entry)
    for copy in sorted(record.copies, key=_moment):
        yield from _copy_steps(record, copy, reasons)
    if record.more_copies:
        yield Step(title=f"and {record.more_copies:,} more copies", style="yellow")
    yield _checkpoint(record, has_keys=has_keys)


def _call(record: Lineage, entry: Entry | None) -> Step:
    attributes, trace = record.message.attributes, record.trace
    context = context_of(str(attributes["source"]))
    facts = {
        "event": str(attributes["id"]),
        "type": str(attributes["type"]),
        "service": f"{context['service']} ({context['environment']})",
        "relay" if record.is_relayed else "producer": f"{record.producer}, sequence {record.sequence}",
        "worth": f"{'sealed' if record.message.is_sealed else 'NOT SEALED'}, proven: {record.proven}",
        "trace": f"{trace[0]}, span {trace[1]}" if trace else "logged outside a span",
    }
    if isinstance(entry, OpenedEvent):
        facts |= _event_facts(entry.event)
    return Step(title="called", time=str(attributes["time"]), facts=facts)


def _event_facts(event: AuditEvent) -> dict[str, str]:
    facts = {}
    for name, value in event.to_dict().items():
        if name not in _CALL_FIELDS and not name.startswith(("trace", "span")):
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            facts[name] = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return facts


def _sealing(record: Lineage, entry: Entry | None) -> Step:
    if not record.message.is_sealed:
        return Step(title="not sealed: encryption was off", style="yellow")
    version = key_version(record.message.key_uri)
    facts = {
        "data key": record.data_key_id or "malformed",
        "KEK": record.message.key_uri,
        "KEK version": version or "known only to the key service",
    }
    if isinstance(entry, OpenedEvent):
        return Step(title="sealed; opened now, every byte agrees", style="green", facts=facts)
    # Red only if the record was altered: a key service that is away says nothing about it.
    if isinstance(entry, DamagedRecord):
        style = "bold red" if _means_altered(entry.error) else "yellow"
        return Step(title="sealed; it does not open", style=style, facts=facts | {"why": str(entry.error)})
    return Step(title="sealed", facts=facts)


def _copy_steps(record: Lineage, copy: RecordCopy, reasons: dict[str, str]) -> Iterator[Step]:
    place = copy.place
    if place.name is not None:
        facts = {"object": place.name, "line": str(place.offset), "reason": reasons.get(place.name, "")}
        stored = parse_stored_name(place.name)
        rejected = stored is not None and stored.folder == REJECTED
        title = "rejected by Kafka; kept in the fallback" if rejected else "stored in the fallback; waiting for replay"
        yield Step(title=title, time=copy.stored_at, style="yellow", facts=facts)
        return
    if place.partition is None:
        yield Step(title="in the file, without its place on the topic", style="yellow", facts={"place": str(place)})
        return
    # A replayed record names its object in a header; the object itself is deleted.
    if copy.replayed_from:
        facts = {"object": copy.replayed_from}
        yield Step(title="stored in the fallback", time=copy.stored_at, style="yellow", facts=facts)
    title = "replayed to Kafka" if copy.replayed_from else "delivered to Kafka"
    if copy is not record.copies[0]:
        title += ", an identical copy"
    facts = {"place": f"{place.source}, partition {place.partition}, offset {place.offset}"}
    if copy.batch is not None:
        recovered = "" if copy.sender == record.producer else f" of process {copy.sender}, which recovered it"
        facts["batch"] = f"{copy.batch}{recovered}"
    if record.raw.key is not None:
        facts["Kafka key"] = record.raw.key.decode("utf-8", "replace")
    yield Step(title=title, time=copy.timestamp, style="green", facts=facts)


def _checkpoint(record: Lineage, *, has_keys: bool) -> Step:
    covering = record.covering
    if covering is None:
        return Step(title="not covered by a checkpoint yet", style="yellow", facts=_problem(record))
    checkpoint = covering.checkpoint
    facts = {
        "size": f"{checkpoint.size:,} records"
        + (", final" * checkpoint.final)
        + (", recovered" * checkpoint.recovered),
        # A note that nobody believes can name anyone.
        "logged through": (checkpoint.via or "") if covering.signers else "",
        "root": checkpoint.root.hex(),
        "place": str(covering.place),
        "signed by": ", ".join(covering.signers) or covering.claimed,
        "believed": "; ".join(judgement.why for judgement in covering.believed),
        "not believed": "; ".join(f"{judgement.signer}: {judgement.why}" for judgement in covering.refused),
    }
    if not has_keys:
        note = {"proof": "not checked: give --trust or --public-key"}
        return Step(title="covered by a checkpoint", time=checkpoint.time, facts=facts | note)
    if record.is_proven:
        title, style = "signed: part of a checkpoint of a trusted key", "green"
    else:
        title = (
            "not proven by its checkpoint"
            if covering.signers
            else "covered by a checkpoint that no key which is believed signed"
        )
        style = "bold red" if record.problem and _means_altered(record.problem) else "yellow"
    return Step(title=title, time=checkpoint.time, style=style, facts=facts | _problem(record))


def _problem(record: Lineage) -> dict[str, str]:
    return {"why": str(record.problem)} if record.problem else {}


def _moment(copy: RecordCopy) -> str:
    return copy.timestamp or copy.stored_at
