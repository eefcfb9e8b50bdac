"""Keeps what the headers of sealed fallback objects say they hold, once a candidate's signature was checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import HeldEvents

MAX_HELD_OBJECTS = 100_000
"""Runs of events in objects that are remembered."""


class HeldObjects:
    """Events that wait in sealed objects. Anyone may put objects there, so nothing unsigned takes up room.

    A signed object may be there many times under other names; it counts once.

    Args:
        keys: Keys that may have signed; which of them is believed is known at the end.
    """

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        # A key id has four bytes, so it only says which keys are worth a try.
        self._keys = tuple(keys)
        self._events: dict[tuple[bytes, int], tuple[HeldEvents, PublicKey]] = {}
        # The runs of an object come one after the other, with one signature.
        self._last: tuple[bytes, bytes, PublicKey | None] = (b"", b"", None)

    def add(self, events: HeldEvents) -> bool:
        """Remember events; return whether one of the keys has signed that they are there."""
        key = self._signing_key(events)
        if key is None:
            return False
        if len(self._events) < MAX_HELD_OBJECTS:
            self._events.setdefault((events.signature, events.first), (events, key))
        return True

    def __iter__(self) -> Iterator[tuple[HeldEvents, PublicKey]]:
        """Yield the events, each with the key that signed them."""
        return iter(self._events.values())

    def _signing_key(self, events: HeldEvents) -> PublicKey | None:
        if self._last[:2] != (events.signature, events.signed):
            named = (key for key in self._keys if key.key_id.hex() == events.signer)
            key = next((key for key in named if key.verify(events.signed, events.signature)), None)
            self._last = (events.signature, events.signed, key)
        return self._last[2]
