"""Checks the arguments of ``log()`` that have a structure: the things acted upon, what changed, and when it happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from telemetry.audit.accept.draft.adjuster import Adjuster
from telemetry.audit.accept.draft.moment import moment_text
from telemetry.exceptions import EventError
from telemetry.format.value.members import Change, Target

_PAIR = 2


def targets_of(value: Any, adjuster: Adjuster) -> list[Target] | None:
    """Return the things acted upon, or None if there are none.

    Args:
        value: Any number of ``Target``, pairs of entity and id, or mappings with ``entity`` and ``entity_id``.
        adjuster: Adjusts the texts.

    Raises:
        EventError: It has another form.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        message = "targets must be a list of (entity, entity_id)"
        raise EventError(message)
    return [_target(each, adjuster) for each in value] or None


def changes_of(value: Any) -> dict[str, dict[str, Any]] | None:
    """Return what changed, or None if nothing did.

    Args:
        value: A mapping from an attribute's name to a ``Change``, a pair of old and new value, or a mapping with
            ``old`` and ``new``.

    Raises:
        EventError: It has another form.
    """
    if not isinstance(value, Mapping):
        message = "changes must map the name of an attribute to (old, new)"
        raise EventError(message)
    return {_attribute(name): _change(each) for name, each in value.items()} or None


def occurred_at_of(value: Any) -> str | None:
    """Return when an event happened as RFC 3339 in UTC; None for a text or a number that is no moment.

    Raises:
        EventError: It is of another type, or a ``datetime`` without a time zone.
    """
    try:
        return moment_text(value)
    except TypeError as exc:
        message = f"occurred_at {exc}"
        raise EventError(message) from None
    except ValueError as exc:
        if isinstance(value, datetime):
            message = f"occurred_at {exc}"
            raise EventError(message) from None
        # Data, not a mistake of the program: it came from a message or from another system's log.
        return None


def moment_as_given(value: str | float | Decimal) -> str:
    """Return the text of a moment that could not be understood, to be kept beside the event."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except ValueError:
        return hex(int(value))  # Python writes no more than some thousand decimal digits.


def _target(value: Any, adjuster: Adjuster) -> Target:
    if isinstance(value, Target):
        entity, entity_id = value.entity, value.entity_id
    elif isinstance(value, Mapping) and "entity" in value and value.keys() <= {"entity", "entity_id"}:
        entity, entity_id = value["entity"], value.get("entity_id")
    elif isinstance(value, tuple | list) and len(value) == _PAIR:
        entity, entity_id = value
    else:
        message = "targets must be a list of (entity, entity_id)"
        raise EventError(message)
    entity_id = None if entity_id is None else adjuster.text("targets", entity_id)
    return Target(adjuster.text("targets", entity), entity_id)


def _attribute(name: Any) -> str:
    if isinstance(name, str):
        return str.__str__(name)
    message = f"changes must have texts as names, not keys of type {type(name).__name__}"
    raise EventError(message)


def _change(value: Any) -> dict[str, Any]:
    if isinstance(value, Change):
        value = {side: given for side in ("old", "new") if (given := getattr(value, side)) is not msgspec.UNSET}
    if isinstance(value, Mapping) and value and value.keys() <= {"old", "new"}:
        return dict(value)
    if isinstance(value, tuple | list) and len(value) == _PAIR:
        return dict(zip(("old", "new"), value, strict=True))
    message = "changes must map the name of an attribute to (old, new)"
    raise EventError(message)
