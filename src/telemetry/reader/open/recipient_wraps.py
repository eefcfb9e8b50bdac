"""Remembers the further wraps of data keys that records name, for readers that cannot use the first one."""

from __future__ import annotations

from collections import OrderedDict

from telemetry.encryption import EncryptionProvider
from telemetry.format.value.recipients import Wrap

MAX_KEYS = 50_000
MAX_WRAPS = 8
"""Of one data key, as long as none of them opened: a record is not believed, so a forged one can name others."""
MAX_REFUSED = 100_000


class RecipientWraps:
    """The wraps of each data key that the reader's own keys may open; bounded, the oldest gives way.

    A data key is named by all that a record says of it: its ``kid``, wrap, KEK and context. A forged record that differs in
    one of them names another key, and spoils nothing for the genuine one.

    Args:
        provider: The reader's keys.
    """

    def __init__(self, provider: EncryptionProvider) -> None:
        self._provider = provider
        self._kept: OrderedDict[bytes, Wrap] = OrderedDict()
        self._wraps: OrderedDict[bytes, OrderedDict[Wrap, None]] = OrderedDict()
        self._refused: OrderedDict[tuple[bytes, Wrap], None] = OrderedDict()
        self._arrived: dict[bytes, None] = {}

    def add(self, key: bytes, wraps: tuple[Wrap, ...]) -> None:
        """Remember what a record names, unless a wrap of the key has opened already."""
        if key in self._kept:
            return
        ours = [wrap for wrap in wraps if (key, wrap) not in self._refused and self._provider.admits(wrap.key_uri)]
        if not ours:
            return
        known = self._wraps.setdefault(key, OrderedDict())
        if any(wrap not in known for wrap in ours):
            self._arrived[key] = None
        for wrap in ours:
            known[wrap] = None
            known.move_to_end(wrap)
        while len(known) > MAX_WRAPS:
            known.popitem(last=False)
        self._wraps.move_to_end(key)
        while len(self._wraps) > MAX_KEYS:
            forgotten, _ = self._wraps.popitem(last=False)
            self._arrived.pop(forgotten, None)

    def of(self, key: bytes) -> tuple[Wrap, ...]:
        """Return the wrap of a data key that opened, else those that may open, the newest first."""
        kept = self._kept.get(key)
        return (kept,) if kept is not None else tuple(reversed(self._wraps.get(key, ())))

    def keep(self, key: bytes, wrap: Wrap) -> None:
        """Remember that a wrap opened, and that the ``kid`` commits to what it opened to."""
        self._kept[key] = wrap
        self._kept.move_to_end(key)
        self._wraps.pop(key, None)
        while len(self._kept) > MAX_KEYS:
            self._kept.popitem(last=False)

    def refuse(self, key: bytes, wrap: Wrap) -> None:
        """Forget a wrap that does not open, and do not try it again."""
        self._wraps.get(key, OrderedDict()).pop(wrap, None)
        self._kept.pop(key, None)
        self._refused[key, wrap] = None
        while len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def take_arrived(self) -> list[bytes]:
        """Return the data keys of which another wrap became known since the last call."""
        arrived, self._arrived = self._arrived, {}
        return list(arrived)
