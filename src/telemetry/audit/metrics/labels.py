"""Lists the values that attributes of the counters can have, so that each series exists from the start."""

from __future__ import annotations

from telemetry import exceptions
from telemetry.exceptions import (
    BackpressureError,
    EncryptionError,
    EventError,
    LifecycleError,
    SpoolError,
    StorageError,
    TelemetryError,
    TransportError,
    UndeliveredError,
)

OUTCOMES = ("delivered", "stored", "failed")

_REFUSALS = (EventError, BackpressureError, LifecycleError, EncryptionError)
_LOSSES = (*_REFUSALS[1:], TransportError, StorageError, SpoolError, UndeliveredError)


def _below(*roots: type[TelemetryError]) -> tuple[str, ...]:
    """Return the names of errors and of all that are kinds of them, sorted; the last resort is the root of all."""
    classes = (getattr(exceptions, name) for name in exceptions.__all__)
    names = {known.__name__ for known in classes if issubclass(known, roots)}
    return (*sorted(names), TelemetryError.__name__)


REFUSALS = _below(*_REFUSALS)
"""Why an event may be refused."""
LOSSES = _below(*_LOSSES)
"""Why an event may be lost."""
SEND_ERRORS = _below(TransportError)
"""Why Kafka may not accept what is sent."""


def label_of(error: TelemetryError, known: tuple[str, ...]) -> str:
    """Return the name of the first class of an error that is listed: a provider's own error counts as its kind."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in known), TelemetryError.__name__)
