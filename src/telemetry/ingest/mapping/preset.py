"""Defines a preset: what the log of one maker looks like, as the tables of a TOML file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from telemetry.ingest.mapping.outcomes import Codes, Outcome

ActorType = Literal["user", "service", "system", "anonymous"]

TEXT_FIELDS = (
    "session_id",
    "actor_id",
    "tenant_id",
    "entity",
    "entity_id",
    "action",
    "source",
    "reason",
    "ip_address",
    "user_agent",
    "correlation_id",
)
"""Fields of an event that take any text."""
READ_FIELDS = ("occurred_at", "idempotency_key", "outcome", "actor_type", "sensitive")
"""Fields of an event whose values are read by a rule of their own."""
NAMED = ("event_type", "user_id", "payload")
"""What every event has."""
RESERVED = ("metadata", "targets", "changes", "wait_for", "unfit")
"""Arguments of ``log()`` that no single value of a line can be."""
FIELDS = frozenset((*NAMED, *TEXT_FIELDS, *READ_FIELDS))

Paths = str | list[str]
"""A path; or several whose texts are joined by dots, those that lead to nothing left out."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One table of a preset; a misspelled key is an error."""


class Rule(_Table, frozen=True, kw_only=True):
    """Chooses a value for a field where a line meets a condition; the first rule that is met wins.

    Attributes:
        value: The value.
        path: Leads to what is examined.
        matches: Patterns with ``*`` and ``?``, in any case of letters; one of them fits the text, number or bool there.
        absent: The path leads to nothing. Without this and patterns, it leads to something.
    """

    value: str
    path: str
    matches: list[str] = msgspec.field(default_factory=list)
    absent: bool = False


class TargetRule(_Table, frozen=True, kw_only=True):
    """Finds things that were acted upon.

    Attributes:
        each: Leads to an object, or to a list of objects, in which the other paths begin; default: the line.
        entity: Leads to the kind of the thing.
        kind: The kind where the path leads to nothing.
        entity_id: Leads to its id.
    """

    each: str | None = None
    entity: str | None = None
    kind: str | None = None
    entity_id: str | None = None


class ChangeRule(_Table, frozen=True, kw_only=True):
    """Finds what changed.

    Attributes:
        each: As in ``TargetRule``.
        name: Leads to the name of the attribute that changed.
        attribute: That name where there is no path to it; then the value before must be there too.
        old: Leads to its value before.
        new: Leads to its value after.
    """

    each: str | None = None
    name: str | None = None
    attribute: str | None = None
    old: str | None = None
    new: str | None = None


class Variant(_Table, frozen=True, kw_only=True):
    """Says what is elsewhere in the lines of some event types; the first variant that fits is used.

    Attributes:
        type: Patterns of the event type, with ``*`` and ``?``.
        fields: Paths that replace those of the preset.
    """

    type: str | list[str]
    fields: dict[str, Paths]


class OcsfRule(_Table, frozen=True, kw_only=True):
    """Says what events of a type are in OCSF: ``export --ocsf-rules`` reads it, and a mapping knows a new type by it.

    Attributes:
        type: Patterns of the event type, with ``*`` and ``?``.
        entity: Pattern of the event's ``entity``.
        source: Pattern of its ``source``.
        service: Pattern of the service that logged it.
        class_uid: Class of OCSF.
        activity_id: Activity of that class.
        status_id: Status, if the type says it.
        severity_id: Severity, if the type says it.
        fields: Path of each attribute of OCSF that is filled.
        constants: Value of each attribute that is the same in every event.
    """

    type: str | list[str]
    entity: str | list[str] | None = None
    source: str | list[str] | None = None
    service: str | list[str] | None = None
    class_uid: int
    activity_id: int
    status_id: int | None = None
    severity_id: int | None = None
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    constants: dict[str, Any] = msgspec.field(default_factory=dict)


class Preset(_Table, frozen=True, kw_only=True):
    """How the lines of one log become events. Every table is optional.

    Attributes:
        summary: What the log is, in a few words.
        schema: Link to the maker's description of it.
        extends: Preset or file whose tables these complete.
        items: Names, separated by dots, that lead to the list of events in a file that is one document.
        absent: Texts that mean that there is no value.
        time_zone: Zone of times that name none: ``UTC``, or an offset.
        id_scope: Precedes an idempotency key, so that the ids of two logs never meet.
        codes: What a number means as outcome.
        fields: Path of each field of the event.
        default: Event type and user id for lines without one.
        set: Constants: fields, and metadata of any other name.
        metadata: Path of each value that is kept as metadata.
        words: Words for each outcome besides the common ones.
        undecided: Words that say that there is no outcome yet.
        outcome: Rules that come before the path of the outcome.
        actor_type: Rules that say who acted.
        targets: Where the things acted upon are.
        changes: Where the changes are.
        variant: What is elsewhere in lines of some types.
        ocsf: Class of each event type that is known.
    """

    summary: str = ""
    schema: str = ""
    extends: str | None = None
    items: str | None = None
    absent: list[str] = msgspec.field(default_factory=list)
    time_zone: str | None = None
    id_scope: str | None = None
    codes: Codes | None = None
    fields: dict[str, Paths] = msgspec.field(default_factory=dict)
    default: dict[Literal["event_type", "user_id"], str] = msgspec.field(default_factory=dict)
    set: dict[str, Any] = msgspec.field(default_factory=dict)
    metadata: dict[str, Paths] = msgspec.field(default_factory=dict)
    words: dict[Outcome, list[str]] = msgspec.field(default_factory=dict)
    undecided: list[str] = msgspec.field(default_factory=list)
    outcome: list[Rule] = msgspec.field(default_factory=list)
    actor_type: list[Rule] = msgspec.field(default_factory=list)
    targets: list[TargetRule] = msgspec.field(default_factory=list)
    changes: list[ChangeRule] = msgspec.field(default_factory=list)
    variant: list[Variant] = msgspec.field(default_factory=list)
    ocsf: list[OcsfRule] = msgspec.field(default_factory=list)


def extended(base: Preset, more: Preset) -> Preset:
    """Return a preset completed by another one, which wins where both say something.

    Rules of the second come before those of the first, since the first that is met wins; its targets and changes
    replace those of the first.
    """
    replaced = {name: value for name in _SINGLE if (value := getattr(more, name))}
    united: dict[str, Any] = {name: getattr(base, name) | getattr(more, name) for name in _TABLES}
    ordered = {name: [*getattr(more, name), *getattr(base, name)] for name in _RULES}
    words = {outcome: [*base.words.get(outcome, ()), *more.words.get(outcome, ())] for outcome in _OUTCOMES}
    # A word that is named again has the later meaning.
    for outcome, listed in more.words.items():
        for other in _OUTCOMES:
            if other != outcome:
                words[other] = [word for word in words[other] if word not in listed]
    return msgspec.structs.replace(base, **replaced, **united, **ordered, words=words, extends=None)


_SINGLE = ("summary", "schema", "items", "absent", "time_zone", "id_scope", "codes", "targets", "changes")
_TABLES = ("fields", "default", "set", "metadata")
_RULES = ("undecided", "outcome", "actor_type", "variant", "ocsf")
_OUTCOMES: tuple[Outcome, ...] = ("success", "failure", "denied")


def patterns_of(type_: str | list[str]) -> list[str]:
    """Return the patterns of a rule, of which there may be one or several."""
    return [type_] if isinstance(type_, str) else type_
