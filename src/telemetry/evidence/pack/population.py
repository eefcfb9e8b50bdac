"""Encodes and reads the ids that a sample was drawn from: one a line, ascending."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.evidence.pack.manifest import MAX_POPULATION
from telemetry.exceptions import FormatError
from telemetry.format.uuid7 import is_uuid

_MOST_BYTES = 37 * MAX_POPULATION


def encode_population(event_ids: Iterable[str]) -> bytes:
    """Return the file of a population."""
    return "".join(f"{event_id}\n" for event_id in sorted(set(event_ids))).encode()


def decode_population(data: bytes) -> list[str]:
    """Read the file of a population.

    Raises:
        FormatError: A line is not the id of an event, or the ids are not ascending.
    """
    # A line is a UUID and its end: more bytes have too many lines, or such as are none.
    ids = data[: _MOST_BYTES + 1].decode("ascii", "replace").split("\n")
    if ids.pop() or len(ids) > MAX_POPULATION or ids != sorted(set(ids)) or not all(map(is_uuid, ids)):
        message = "the population is not a list of ids of events in ascending order, one a line"
        raise FormatError(message)
    return ids
