"""Defines an event that lacks only its place in the producer's sequence."""

from __future__ import annotations

import msgspec


class EventDraft(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A checked event without its place in a stream.

    Attributes:
        id: UUIDv7.
        key: Kafka key.
        json_after_sequence: The event as JSON, from the comma after its sequence to the end.
        id_and_time_json: Id and time as JSON members, each after its comma.
        clear_tail: The clear part of the value that follows them, up to the data.
        is_disclosable: Whether it names the feature: who seals it adds a salt inside, and the commitment outside.
    """

    id: str
    key: bytes
    json_after_sequence: bytes
    id_and_time_json: bytes
    clear_tail: bytes
    is_disclosable: bool = False

    def __repr__(self) -> str:
        return f"EventDraft(id={self.id!r})"
