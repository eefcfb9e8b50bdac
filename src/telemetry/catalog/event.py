"""Offers the base class of typed events."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """The payload of one event type, as a class; ``@catalog.event("order.refunded")`` gives it its type.

    Fields are annotated as in any ``msgspec.Struct``. A field in ``Annotated`` may be :class:`~telemetry.catalog.Personal`, a
    :class:`~telemetry.catalog.Secret`, or an :class:`~telemetry.catalog.EventField`. The ``repr`` of an event has no value.
    """

    is_telemetry_event: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
