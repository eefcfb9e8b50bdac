"""Lists the fields of the search form: each is a parameter of the address, and most are options of the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from telemetry.reader.entry import Proven
from telemetry.reader.filters.event_filter import ACTOR_TYPES, OUTCOMES
from telemetry.reader.filters.written import NAMES, SINGLE

Kind = Literal["text", "choice", "check"]

NEWEST, OLDEST = "newest", "oldest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the form.

    Attributes:
        name: Parameter of the address; also the option of ``telemetry export``, where ``is_option``.
        label: What a person reads before it.
        hint: How to fill it in.
        kind: How it is filled in.
        choices: Values of a choice.
        is_clear: Whether it concerns what is outside the seal, so that no event has to be opened for it.
        is_main: Whether it is always visible.
        is_single: Whether there is one value at most.
        is_option: Whether ``telemetry export`` has it.
        attribute: Field of ``EventFilter`` that it fills; empty where it fills another one.
    """

    name: str
    label: str
    hint: str = ""
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    is_clear: bool = False
    is_main: bool = False
    is_single: bool = False
    is_option: bool = True
    attribute: str = ""


def _of_filter(attribute: str, label: str, hint: str = "", **more: bool | Kind | tuple[str, ...]) -> Field:
    known: dict[str, object] = {"is_single": attribute in SINGLE, **more}
    return Field(name=NAMES[attribute], label=label, hint=hint, attribute=attribute, **known)  # type: ignore[arg-type]


_FIELDS = (
    _of_filter("text", "Text", "In any value, or in a name inside payload, metadata or changes.", is_main=True),
    _of_filter("users", "User", "Written exactly.", is_main=True),
    _of_filter("entities", "Entity", "A kind, or kind and id: order or order/77.", is_main=True),
    _of_filter("types", "Type", "Its beginning, or a pattern: login*.", is_clear=True, is_main=True),
    _of_filter("outcomes", "Outcome", kind="choice", choices=OUTCOMES, is_main=True),
    _of_filter("addresses", "Address", "10.0.0.7 or a network, 10.0.0.0/8.", is_main=True),
    _of_filter("since", "Since", "15m, 2h, 3d (ago) or 2026-01-31T12:00:00Z.", is_clear=True, is_main=True),
    _of_filter("until", "Until", "Written like Since. Without a zone: UTC.", is_clear=True, is_main=True),
    _of_filter("actors", "Actor", "Who acted, the user or another."),
    _of_filter("actor_types", "Kind of actor", kind="choice", choices=ACTOR_TYPES),
    _of_filter("sessions", "Session", "Written exactly."),
    _of_filter("correlations", "Correlation id", "Common to all events of one request."),
    _of_filter("tenants", "Tenant", "Written exactly."),
    _of_filter("where", "Value", "payload.order.id=77, payload.note=~refund (contains), changes.email (exists)."),
    _of_filter("excluded", "Leave out", "A filter and its value: user=ada, ip=10.0.0.0/8."),
    _of_filter("occurred_since", "Happened since", "Of what happened then; written like Since."),
    _of_filter("occurred_until", "Happened until", "Of what happened then; written like Since."),
    _of_filter("adjusted", "Only events of which something was cut, escaped or replaced", kind="check"),
    _of_filter("ids", "Event id", "Written exactly.", is_clear=True),
    Field(name="service", label="Service", hint="As the list of services writes it.", is_clear=True, is_option=False),
    Field(name="producer", label="Producer", hint="Id of the process.", is_clear=True, is_option=False),
    Field(
        name="proven",
        label="Proof",
        kind="choice",
        choices=tuple(each.value for each in Proven),
        is_clear=True,
        is_option=False,
    ),
    Field(
        name="foreign",
        label="Also records that the trail should not have (foreign)",
        kind="check",
        is_clear=True,
        is_single=True,
    ),
)

FIELDS: Mapping[str, Field] = MappingProxyType({each.name: each for each in _FIELDS})
"""Every field by its name, in the order of the form."""
