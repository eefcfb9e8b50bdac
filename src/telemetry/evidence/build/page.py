"""Renders the readable page of an evidence pack: no script, nothing from elsewhere, and every value marked for what it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from telemetry.evidence.build.files import PackFiles
from telemetry.evidence.pack.content import decode_content
from telemetry.evidence.pack.manifest import EventFacts, Manifest
from telemetry.evidence.pack.names import EventFolder
from telemetry.format.proof.inclusion import decode_proof
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import Message, parse
from telemetry.pages.charts import Chart, timeline
from telemetry.pages.environment import page_environment, render
from telemetry.pages.event import Change, Field, Node, changes, fields, sentence, tree
from telemetry.pages.marks import CLOSED, NOT_SEALED, PROVEN, Mark, attested, through
from telemetry.pages.markup import Markup

MAX_DETAILS = 24 << 20
"""Characters of the page up to which events are shown in full; the others are in the list, and in their files."""

_DAY = len("2026-03-31")
_PACKAGE = "telemetry.evidence"
_OUTSIDE = {"id": "id", "event_type": "type", "time": "time", "producer": "producer", "sequence": "sequence"}
"""Fields that every record has outside its seal, with the name of the attribute."""
_KINDS = {0: "fine", 4: "incomplete"}
_NOT_PROVEN = Mark("not proven", "Nothing in this pack proves the record; the reason is beside it.", "bad")
_DISCLOSED = Mark(
    "content disclosed",
    "The service committed to this content when it logged it: it is proven without any key.",
    "good",
)
_UNSIGNED = Mark(
    "content attested by nobody", "Nobody signed the pack: that the record opens to this is nobody's word.", "bad"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What the page shows.

    Attributes:
        manifest: The manifest, without its list of files.
        vias: Source of the gateway that logged an event, by its id.
        files: The files of the pack.
    """

    manifest: Manifest
    vias: Mapping[str, str]
    files: PackFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """An event as the page shows it.

    Attributes:
        facts: Its entry in the manifest.
        clear: What is outside the seal, of its proven record; None where it is not proven.
        event: Its content; None where it stays sealed.
        sentence: What happened, in words.
        marks: What is proven of it, and what is only attested.
        proof: Name of the file with its proof; empty where it has none.
        content: Name of the file with its content; empty where it has none.
    """

    facts: EventFacts
    clear: Message | None
    event: AuditEvent | None
    sentence: str
    marks: tuple[Mark, ...]
    proof: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The content of an event.

    Attributes:
        fields: Its fields, each marked for what it is.
        changes: How the thing changed.
        payload: Its payload.
        metadata: Its further arguments; None without any.
        mark: What all of it is worth; None where the record itself has it.
    """

    fields: Sequence[Field]
    changes: Sequence[Change]
    payload: Node
    metadata: Node | None
    mark: Mark | None


def render_page(content: PageContent) -> str:
    """Return the page as one HTML document."""
    environment = page_environment(_PACKAGE)
    events = list(_shown(content))
    sections, room = [], MAX_DETAILS
    for shown in events:
        section = render(environment, "evidence_event.html", shown=shown, detail=_detail(shown))
        room -= len(section)
        if room < 0:
            break
        # It was rendered with escapes just now.
        sections.append(Markup(section))
    return render(
        environment,
        "evidence.html",
        manifest=content.manifest,
        events=events,
        sections=sections,
        left_out=len(events) - len(sections),
        unproven=[shown for shown in events if shown.facts.problem is not None],
        filters=_filters(content.manifest),
        activity=_activity(events),
        verdict_kind=_KINDS.get(content.manifest.verification.exit_code, "tampered"),
        legend=list(dict.fromkeys(mark for shown in events for mark in shown.marks)),
    )


def _activity(events: Sequence[ShownEvent]) -> Chart:
    """Return a picture of when the events of the pack were logged."""
    times = (_time(shown) for shown in events)
    return timeline(sorted(Counter(time[:_DAY] for time in times if time).items()), title="Events of this pack by day")


def _time(shown: ShownEvent) -> str:
    if shown.clear is not None:
        return str(shown.clear.attributes["time"])
    return shown.event.time if shown.event is not None else ""


def _filters(manifest: Manifest) -> dict[str, str]:
    """Return the conditions as people read them."""
    return {name.replace("_", " "): _words(value) for name, value in manifest.request.filters.items()}


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_words(part)}" for name, part in value.items())
    return str(value)


def _shown(content: PageContent) -> Iterator[ShownEvent]:
    for facts in content.manifest.events:
        proof = EventFolder.PROOFS.file_of(facts.id) if facts.problem is None else ""
        file = EventFolder.EVENTS.file_of(facts.id) if facts.content != "none" else ""
        clear = parse(decode_proof(content.files.read(proof)).value) if proof else None
        event = decode_content(content.files.read(file)).decoded() if file else None
        yield ShownEvent(
            facts=facts,
            clear=clear,
            event=event,
            sentence=_sentence(facts, clear, event),
            marks=tuple(_marks(content, facts, clear)),
            proof=proof,
            content=file,
        )


def _sentence(facts: EventFacts, clear: Message | None, event: AuditEvent | None) -> str:
    if event is not None:
        return sentence(event)
    if clear is not None:
        return f"{clear.attributes['type']} of {clear.attributes['source']}, sealed"
    return f"event {facts.id}, not in the trail that was read"


def _detail(shown: ShownEvent) -> Detail | None:
    event = shown.event
    if event is None:
        return None
    is_open = shown.clear is not None and not shown.clear.is_sealed
    mark = None if is_open else shown.marks[-1]
    return Detail(
        fields=[
            _field(each, event, shown.clear) for each in fields(event, content_mark=mark) if _is_new(each, shown.clear)
        ],
        changes=changes(event),
        payload=tree(event.payload),
        metadata=tree(event.metadata) if event.metadata else None,
        mark=mark,
    )


def _is_new(field: Field, clear: Message | None) -> bool:
    """Return whether a field is not among those that are shown as proven already."""
    return clear is None or field.name not in _OUTSIDE or field.value != str(clear.attributes[_OUTSIDE[field.name]])


def _field(field: Field, event: AuditEvent, clear: Message | None) -> Field:
    """Return a field with the mark of what is proven, if the record has it outside its seal too."""
    is_proven = clear is not None and field.name in event.clear_fields
    return replace(field, marks=(PROVEN,)) if is_proven else field


def _marks(content: PageContent, facts: EventFacts, clear: Message | None) -> Iterator[Mark]:
    yield PROVEN if clear is not None else _NOT_PROVEN
    via = content.vias.get(facts.id)
    if via is not None:
        yield through(via)
    if clear is not None and not clear.is_sealed:
        yield NOT_SEALED
    elif facts.content == "none":
        yield CLOSED
    elif facts.content == "disclosed":
        yield _DISCLOSED
    elif facts.content == "attested":
        signer = content.manifest.attested_by
        yield attested(signer) if signer is not None else _UNSIGNED
