"""Tells the life of a record in steps: called, sealed, stored, replayed, delivered, signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from telemetry.exceptions import FormatError, KeyMismatchError, TamperedError, TelemetryError
from telemetry.format.objects.stored_name import REJECTED, parse_stored_name
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of
from telemetry.reader import DamagedRecord, Entry, OpenedEvent
from telemetry.reader.prove.lineage import Lineage, RecordCopy, key_version

KAFKA_KEY = "Kafka key"
"""Name of the fact that can say which user it was."""
_SHOWN = 300
"""Maximum characters shown of one value."""
_CALL_FIELDS = ("id", "time", "event_type", "service_name", "environment", "producer", "sequence", "schema_version")
"""Fields of an event that the first step shows already, from the clear part."""


class Standing(StrEnum):
    """What a step says about the record.

    Attributes:
        NOTED: It happened.
        FINE: It is as it should be.
        OPEN: Something is not known, not yet done, or not protected.
        WRONG: The record was altered.
    """

    NOTED = "noted"
    FINE = "fine"
    OPEN = "open"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStep:
    """One thing that happened.

    Attributes:
        title: Short name of the step.
        time: Time of the step, RFC 3339; empty where no record says it.
        standing: What it says about the record.
        facts: Facts about the step by name; an empty text is left out.
    """

    title: str
    time: str = ""
    standing: Standing = Standing.NOTED
    facts: Mapping[str, str] = field(default_factory=dict)


def means_altered(error: TelemetryError) -> bool:
    """Return whether an error says that the record was altered, not only that something is not available."""
    return isinstance(error, (TamperedError, FormatError, KeyMismatchError))


def life_steps(
    record: Lineage, entry: Entry | None, reasons: Mapping[str, str], *, has_keys: bool
) -> Iterator[LifeStep]:
    """Yield the steps of a record's life, from the call to the checkpoint that covers it.

    Args:
        record: What was found about it.
        entry: The opened record; None if it was left sealed.
        reasons: Why each object that is still in the store was stored, by its name.
        has_keys: Whether signatures were checked with trusted keys.
    """
    yield _call(record, entry)
    yield _sealing(record, entry)
    for copy in sorted(record.copies, key=_moment):
        yield from _copy_steps(record, copy, reasons)
    if record.more_copies:
        yield LifeStep(title=f"and {record.more_copies:,} more copies", standing=Standing.OPEN)
    yield _checkpoint(record, has_keys=has_keys)


def _call(record: Lineage, entry: Entry | None) -> LifeStep:
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
    return LifeStep(title="called", time=str(attributes["time"]), facts=facts)


def _event_facts(event: AuditEvent) -> dict[str, str]:
    facts = {}
    for name, value in event.to_dict().items():
        if name not in _CALL_FIELDS and not name.startswith(("trace", "span")):
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            facts[name] = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return facts


def _sealing(record: Lineage, entry: Entry | None) -> LifeStep:
    if not record.message.is_sealed:
        return LifeStep(title="not sealed: encryption was off", standing=Standing.OPEN)
    version = key_version(record.message.key_uri)
    facts = {
        "data key": record.data_key_id or "malformed",
        "KEK": record.message.key_uri,
        "KEK version": version or "known only to the key service",
    }
    if isinstance(entry, OpenedEvent):
        title = "sealed; opened now, every byte agrees"
        if entry.event.is_forgotten:
            title += "; the key of its subject was destroyed"
        return LifeStep(title=title, standing=Standing.FINE, facts=facts)
    # Red only if the record was altered: a key service that is away says nothing about it.
    if isinstance(entry, DamagedRecord):
        standing = Standing.WRONG if means_altered(entry.error) else Standing.OPEN
        return LifeStep(title="sealed; it does not open", standing=standing, facts=facts | {"why": str(entry.error)})
    return LifeStep(title="sealed", facts=facts)


def _copy_steps(record: Lineage, copy: RecordCopy, reasons: Mapping[str, str]) -> Iterator[LifeStep]:
    place = copy.place
    if place.name is not None:
        facts = {"object": place.name, "line": str(place.offset), "reason": reasons.get(place.name, "")}
        stored = parse_stored_name(place.name)
        rejected = stored is not None and stored.folder == REJECTED
        title = "rejected by Kafka; kept in the fallback" if rejected else "stored in the fallback; waiting for replay"
        yield LifeStep(title=title, time=copy.stored_at, standing=Standing.OPEN, facts=facts)
        return
    if place.partition is None:
        yield LifeStep(
            title="in the file, without its place on the topic", standing=Standing.OPEN, facts={"place": str(place)}
        )
        return
    # A replayed record names its object in a header; the object itself is deleted.
    if copy.replayed_from:
        facts = {"object": copy.replayed_from}
        yield LifeStep(title="stored in the fallback", time=copy.stored_at, standing=Standing.OPEN, facts=facts)
    title = "replayed to Kafka" if copy.replayed_from else "delivered to Kafka"
    if copy is not record.copies[0]:
        title += ", an identical copy"
    facts = {"place": f"{place.source}, partition {place.partition}, offset {place.offset}"}
    if copy.batch is not None:
        recovered = "" if copy.sender == record.producer else f" of process {copy.sender}, which recovered it"
        facts["batch"] = f"{copy.batch}{recovered}"
    if record.raw.key is not None:
        facts[KAFKA_KEY] = record.raw.key.decode("utf-8", "replace")
    yield LifeStep(title=title, time=copy.timestamp, standing=Standing.FINE, facts=facts)


def _checkpoint(record: Lineage, *, has_keys: bool) -> LifeStep:
    covering = record.covering
    if covering is None:
        return LifeStep(title="not covered by a checkpoint yet", standing=Standing.OPEN, facts=_problem(record))
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
        return LifeStep(title="covered by a checkpoint", time=checkpoint.time, facts=facts | note)
    if record.is_proven:
        title, standing = "signed: part of a checkpoint of a trusted key", Standing.FINE
    else:
        title = (
            "not proven by its checkpoint"
            if covering.signers
            else "covered by a checkpoint that no key which is believed signed"
        )
        standing = Standing.WRONG if record.problem and means_altered(record.problem) else Standing.OPEN
    return LifeStep(title=title, time=checkpoint.time, standing=standing, facts=facts | _problem(record))


def _problem(record: Lineage) -> dict[str, str]:
    return {"why": str(record.problem)} if record.problem else {}


def _moment(copy: RecordCopy) -> str:
    return copy.timestamp or copy.stored_at
