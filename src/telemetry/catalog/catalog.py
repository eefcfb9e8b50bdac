"""Collects the declared event types of a service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar, get_args

from telemetry.catalog.disclosure import rule_of
from telemetry.catalog.event_type import EventType
from telemetry.catalog.models import Model, model_of
from telemetry.catalog.moved import moved_fields
from telemetry.catalog.policy import BLOCK_SECONDS, LEVELS, ON_FAILURE, SEVERITIES, Level, OnFailure, Policy, Severity
from telemetry.catalog.schema import resolved
from telemetry.catalog.values import checked_seconds, checked_text, first_paragraph, one_of
from telemetry.exceptions import ConfigurationError, EventError, Problem
from telemetry.format.value.event import Outcome
from telemetry.format.value.members import MAX_CATALOG_TEXT, RETENTION

Unknown = Literal["refuse", "warn", "allow"]
"""What happens to an event of a type that nobody declared."""

_T = TypeVar("_T", bound=type)

_RETENTION = re.compile(RETENTION)
_MAX_TYPE, _MAX_CONTROL, _MAX_CONTROLS = 255, 200, 100


class AuditCatalog:
    """The event types of a service.

    >>> from telemetry.catalog import AuditCatalog, Event
    >>> catalog = AuditCatalog("shop", version=3)
    >>> @catalog.event("order.refunded", entity="order", entity_id="order_id", retention="7y")
    ... class OrderRefunded(Event):
    ...     order_id: int

    It is complete before it is given to a ``Telemetry``; after that nothing is added to it.

    Args:
        name: Name of the catalogue, at most 64 characters; each event names it.
        version: Its version: a number, or a text of at most 64 characters.
        unknown: What happens to events of other types: ``log()`` raises ``EventError``, logs them and warns once for each
            type, or logs them.
        include: Catalogues whose types are a part of this one, such as ``telemetry.catalog.builtin.builtin``.

    Raises:
        ConfigurationError: A name cannot be used, or two catalogues declare one type.
    """

    def __init__(
        self, name: str, *, version: int | str, unknown: Unknown = "refuse", include: Sequence[AuditCatalog] = ()
    ) -> None:
        self.name = checked_text(name, "name", MAX_CATALOG_TEXT)
        self.version = checked_text(str(version), "version", MAX_CATALOG_TEXT)
        self.unknown: Unknown = one_of(unknown, get_args(Unknown), "unknown")
        self._types: dict[str, EventType] = {}
        self._classes: dict[type[Any], EventType] = {}
        for other in include:
            for kind in other:
                self._add(kind)

    def __repr__(self) -> str:
        return f"AuditCatalog({self.name!r}, version={self.version!r}, types={len(self)})"

    def __len__(self) -> int:
        return len(self._types)

    def __iter__(self) -> Iterator[EventType]:
        return iter(self._types.values())

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._types

    @property
    def needs_secret(self) -> bool:
        """Whether a type has a field that is written as an HMAC."""
        return any(kind.needs_secret for kind in self)

    def event(  # noqa: PLR0913 - each property of a type has its name
        self,
        event_type: str,
        *,
        description: str | None = None,
        entity: str | None = None,
        entity_id: str | None = None,
        action: str | None = None,
        outcome: Outcome | None = None,
        severity: Severity | None = None,
        delivery: Level = "accepted",
        on_failure: OnFailure = "raise",
        block_seconds: float = BLOCK_SECONDS,
        retention: str | None = None,
        controls: Iterable[str] = (),
        ocsf: tuple[int, int] | None = None,
    ) -> Callable[[_T], _T]:
        """Return a decorator that declares a type with the decorated class as its payload; the class stays what it is.

        Args:
            event_type: The type, such as ``order.refunded``; 1 to 255 characters.
            description: What it means; default: the first paragraph of the class's docstring.
            entity: Kind of the thing acted upon.
            entity_id: Member of the payload that is that thing's id.
            action: What was done to it.
            outcome: Outcome of every event of this type, such as ``failure`` for a failed login.
            severity: ``informational``, ``low``, ``medium``, ``high``, ``critical`` or ``fatal``.
            delivery: How safe an event is when its call is over: ``accepted``, ``durable`` or ``delivered``, as for
                ``wait_for``, which may ask for more; ``transactional`` events are sealed for an outbox and refused by ``log()``.
            on_failure: Where that fails: ``raise`` raises; ``count`` counts it in ``audit.events.lost_total`` and goes on;
                ``block`` waits for at most ``block_seconds``, then raises.
            block_seconds: Above 0, up to 3,600.
            retention: How long to keep the events: a number and ``d``, ``m`` or ``y``.
            controls: What it is logged for, such as ``PCI 10.2.1.2``.
            ocsf: Numbers of the OCSF class and activity.

        Raises:
            ConfigurationError: The type exists already, or a property cannot be used.
        """
        name = checked_text(event_type, "event_type", _MAX_TYPE)
        if name.lower().startswith("telemetry."):
            raise ConfigurationError(Problem(name, "begins as the library's own types do", "choose another name"))
        policy = Policy(
            one_of(delivery, tuple(LEVELS), f"{name}, delivery"),
            one_of(on_failure, tuple(ON_FAILURE), f"{name}, on_failure"),
            checked_seconds(block_seconds, f"{name}, block_seconds"),
        )
        one_of(severity, (None, *SEVERITIES), f"{name}, severity")
        one_of(outcome, (None, *get_args(Outcome)), f"{name}, outcome")
        if retention is not None and not _RETENTION.match(retention):
            raise ConfigurationError(
                Problem(f"{name}, retention", "is no number of days, months or years", 'write "7y"')
            )
        listed = tuple(checked_text(control, f"{name}, controls", _MAX_CONTROL) for control in controls)
        if len(listed) > _MAX_CONTROLS:
            raise ConfigurationError(Problem(f"{name}, controls", f"has more than {_MAX_CONTROLS}", "name fewer"))

        def declare(kind: _T) -> _T:
            model = model_of(kind)
            moved = moved_fields(kind)
            _require_member(model, entity_id, name)
            declared = EventType(
                name=name,
                model=model,
                rule=rule_of(kind),
                moved=moved,
                catalog=self.name,
                catalog_version=self.version,
                description=first_paragraph(kind) if description is None else description,
                entity=entity,
                entity_id=entity_id,
                action=action,
                outcome=outcome,
                severity=severity,
                policy=policy,
                retention=retention,
                controls=listed,
                ocsf=ocsf,
            )
            self._add(declared)
            return kind

        return declare

    def find(self, event_type: str) -> EventType | None:
        """Return a declared type, or None."""
        return self._types.get(event_type)

    def declares(self, kind: type[Any]) -> bool:
        """Return whether a class is the payload of a declared type."""
        return kind in self._classes

    def of(self, event: object) -> EventType:
        """Return the type that a typed event has.

        Raises:
            EventError: Its class is not declared here.
        """
        kind = self._classes.get(type(event))
        if kind is None:
            message = f"the catalogue {self.name!r} declares no event of the class {type(event).__name__}"
            raise EventError(message)
        return kind

    def _add(self, kind: EventType) -> None:
        if kind.name in self._types:
            raise ConfigurationError(Problem(kind.name, "is declared twice", "give one of them another name"))
        if kind.model.kind in self._classes:
            raise ConfigurationError(Problem(kind.name, "has the class of another type", "derive a class of its own"))
        self._types[kind.name] = kind
        self._classes[kind.model.kind] = kind


def _require_member(model: Model, entity_id: str | None, name: str) -> None:
    if entity_id is None:
        return
    schema = model.schema()
    definitions = schema.get("$defs", {})
    if entity_id not in resolved(schema, definitions).get("properties", {}):
        problem = Problem(f"{name}, entity_id", f"the class has no member {entity_id!r}", "name a member")
        raise ConfigurationError(problem)
