"""Defines one declared event type: its class, what is required of its events, and what it means elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from telemetry.catalog.disclosure import Rule, marks_of, needs_secret
from telemetry.catalog.models import Model
from telemetry.catalog.policy import DEFAULT, Policy, Severity
from telemetry.catalog.schema import marked_schema, schema_hash
from telemetry.format.value.members import CatalogReference

_encode = msgspec.json.Encoder().encode
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Checked(NamedTuple):
    """A payload that fits its type.

    Attributes:
        payload: The payload as it is sealed.
        fields: Arguments of ``log()`` that the type and the payload give.
    """

    payload: Any
    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EventType:
    """One declared type; ``AuditCatalog.event`` creates it.

    Attributes:
        name: The event type.
        model: The class of its payload.
        rule: What the marks of that class say; None if it has none.
        moved: Members of the payload that become fields of the event, with the name of the field.
        catalog: Name of the catalogue that declares it.
        catalog_version: Version of that catalogue.
        description: What it means, for people.
        entity: Kind of the thing acted upon.
        entity_id: Member of the payload that is the id of that thing.
        action: What was done to it.
        outcome: Outcome of every event of this type.
        severity: How serious an event is.
        policy: How safe an event must be, and what happens where it is not.
        retention: How long to keep events, such as ``7y``.
        controls: The controls of a standard for which it is logged.
        ocsf: Class and activity of OCSF.
    """

    name: str
    model: Model
    rule: Rule | None
    moved: Mapping[str, str]
    catalog: str
    catalog_version: str
    description: str = ""
    entity: str | None = None
    entity_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    severity: Severity | None = None
    policy: Policy = DEFAULT
    retention: str | None = None
    controls: tuple[str, ...] = ()
    ocsf: tuple[int, int] | None = None

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload as a call gives it; the marks are in it."""
        return marked_schema(self.model.schema(), self.rule)

    @cached_property
    def reference(self) -> CatalogReference:
        """What each event of this type says about it."""
        return CatalogReference(
            name=self.catalog, version=self.catalog_version, schema=schema_hash(self.schema), retention=self.retention
        )

    @cached_property
    def encoded_reference(self) -> msgspec.Raw:
        """The same, as it is sealed."""
        return msgspec.Raw(_encode(self.reference))

    @cached_property
    def encoded_misfit(self) -> msgspec.Raw:
        """What an event says whose payload did not fit and is logged all the same."""
        return msgspec.Raw(_encode(msgspec.structs.replace(self.reference, schema=None)))

    def prepare(self) -> None:
        """Compute what is computed once: now, and not while another thread forks, which would leave a lock behind.

        Raises:
            Exception: No schema can be made of the class, as its library raises it.
        """
        _ = (self.given, self.encoded_reference, self.encoded_misfit)

    @property
    def needs_secret(self) -> bool:
        """Whether a payload is written with an HMAC."""
        return needs_secret(self.rule)

    @property
    def is_personal(self) -> bool:
        """Whether a payload has marks."""
        return any(True for _ in marks_of(self.rule))

    def check(self, payload: Any, secret: bytes | None = None) -> Checked:
        """Check a payload and apply the marks.

        Args:
            payload: An object of the class, or what one is made of.
            secret: Key of the HMAC, where the class needs one.

        Raises:
            EventError: It does not fit; the message has the path and never a value.
        """
        return self.disclose(self.model.plain(payload), secret)

    def disclose(self, plain: dict[str, Any], secret: bytes | None = None) -> Checked:
        """Apply the marks to an object of plain types, which is changed.

        Raises:
            EventError: A secret is given that must not be.
        """
        if self.rule is not None:
            self.rule.apply(plain, secret, "payload")
        if self.entity_id is None and not self.moved:
            return Checked(plain, self.given)
        fields = dict(self.given)
        if self.entity_id is not None:
            fields["entity_id"] = plain.get(self.entity_id)
        for name, field in self.moved.items():
            value = plain.pop(name, None)
            if value not in _EMPTY:
                fields[field] = value
        return Checked(plain, fields)

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """Arguments of ``log()`` that are the same for every event of this type."""
        given = {"entity": self.entity, "action": self.action, "outcome": self.outcome}
        return {name: value for name, value in given.items() if value is not None}
