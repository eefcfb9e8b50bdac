"""Remembers the further wraps of data keys that records name, for readers that cannot use the first one."""

from __future__ import annotations

from collections import OrderedDict

from telemetry.encryption import EncryptionProvider
from telemetry.format.value.recipients import Wrap

MAX_KEYS = 50_000
MAX_WRAPS = 8
"""Of one data key. A record is not believed before it is opened, so a forged one can name other wraps for a key."""


class RecipientWraps:
    """The wraps of each data key that the reader's own keys may open, by its ``kid``; bounded, the oldest gives way.

    Args:
        provider: The reader's keys.
    """

    def __init__(self, provider: EncryptionProvider) -> None:
        self._provider = provider
        self._wraps: OrderedDict[str, OrderedDict[Wrap, None]] = OrderedDict()
        self._arrived: dict[str, None] = {}

    def add(self, kid: str, wraps: tuple[Wrap, ...]) -> None:
        """Remember what a record names."""
        ours = [wrap for wrap in wraps if self._provider.admits(wrap.key_uri)]
        if not ours:
            return
        known = self._wraps.setdefault(kid, OrderedDict())
        before = len(known)
        for wrap in ours:
            known[wrap] = None
            known.move_to_end(wrap)
            while len(known) > MAX_WRAPS:
                known.popitem(last=False)
        if len(known) != before:
            self._arrived[kid] = None
        self._wraps.move_to_end(kid)
        while len(self._wraps) > MAX_KEYS:
            forgotten, _ = self._wraps.popitem(last=False)
            self._arrived.pop(forgotten, None)

    def of(self, kid: str) -> tuple[Wrap, ...]:
        """Return the wraps of a data key, the newest first: a forged one gives way to what is repeated."""
        return tuple(reversed(self._wraps.get(kid, ())))

    def take_arrived(self) -> list[str]:
        """Return the data keys of which another wrap became known since the last call."""
        arrived, self._arrived = self._arrived, {}
        return list(arrived)
