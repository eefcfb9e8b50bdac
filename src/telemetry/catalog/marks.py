"""Defines what a field of a payload class can be, beside its type: personal, a secret, or a field of the event itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from telemetry.exceptions import ConfigurationError, Problem

Show = Literal["keep", "mask", "last4", "hmac", "drop"]
"""What is sealed of a personal value: itself, ``****``, ``****`` and its last four characters, an HMAC, or nothing."""

OnGiven = Literal["drop", "refuse"]
"""What happens to a secret that a call gives: the member is left out, or the call is refused."""

FieldName = Literal[
    "action",
    "actor_id",
    "actor_type",
    "changes",
    "correlation_id",
    "entity_id",
    "ip_address",
    "occurred_at",
    "outcome",
    "reason",
    "session_id",
    "source",
    "targets",
    "tenant_id",
    "user_agent",
]


def _require(value: Any, allowed: tuple[Any, ...], place: str) -> None:
    if value not in allowed:
        raise ConfigurationError(Problem(place, "is not one of those that exist", f"use {', '.join(allowed)}"))


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a value about a person: ``Annotated[str, Personal(show="last4")]``.

    Attributes:
        show: What is sealed of it. ``hmac`` needs ``key_hmac_secret``: equal values have equal results, and nobody without the
            secret can try values out.
    """

    show: Show = "keep"

    def __post_init__(self) -> None:
        _require(self.show, get_args(Show), "Personal(show=...)")


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a value that is never written, such as a token: ``Annotated[str, Secret()]``.

    Attributes:
        given: What happens where a call has one.
    """

    given: OnGiven = "drop"

    def __post_init__(self) -> None:
        _require(self.given, get_args(OnGiven), "Secret(given=...)")


@dataclass(frozen=True, slots=True)
class EventField:
    """Marks a field of a payload class that becomes a field of the event, as if it were an argument of ``log()``.

    Attributes:
        name: The argument of ``log()``.
    """

    name: FieldName

    def __post_init__(self) -> None:
        _require(self.name, get_args(FieldName), "EventField(...)")


Changes = Annotated[dict[str, Any], EventField("changes")]
"""What changed, by the name of the attribute: ``(old, new)``, or a mapping with ``old``, ``new`` or both."""
