"""Keeps data keys that were unwrapped, each encrypted under a key of this process, bounded in bytes and age."""

from __future__ import annotations

import os
from itertools import count
from typing import NamedTuple, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption.unwrap.asked_again import AskedAgain
from telemetry.format.value import jwe
from telemetry.format.value.recipients import Wrap
from telemetry.system.aged_cache import AgedCache
from telemetry.system.clock import Clock

MAX_BYTES = 64 << 20
"""Default room: more than 100,000 keys."""

_WEIGHT = 540
"""Bytes that one kept key costs: its name, what is kept of it, and its places in the tables of the cache."""
_SWEEPS = 64
"""How often within the life of a key those are looked for that are past it."""


class OpenedKey:
    """A data key that opens. Nothing of it is in a ``repr`` or a pickle.

    Attributes:
        kid: Commitment computed from the key and the record's facts about it; the caller compares it with the record's.
        cipher: AES-256-GCM under the key.
    """

    __slots__ = ("cipher", "kid")

    def __init__(self, plaintext: bytes, *, key_uri: str, wrapped: bytes) -> None:
        self.kid = jwe.key_id(plaintext, key_uri=key_uri, wrapped=wrapped)
        self.cipher = AESGCM(plaintext)

    def __repr__(self) -> str:
        return f"OpenedKey(kid={self.kid!r})"

    def __reduce__(self) -> NoReturn:
        message = "a data key cannot be pickled or copied"
        raise TypeError(message)


class _Kept(NamedTuple):
    number: int
    sealed: bytes
    until: float

    @property
    def weight(self) -> int:
        return _WEIGHT


class OpenedKeys:
    """Data keys by their names; not safe for several threads.

    A cipher object is several times as large as the key that it is for, so the keys themselves are kept. They are
    encrypted under a key that only a cipher object has: no plaintext of them is in an object of Python.

    Args:
        max_bytes: Room for the keys.
        max_age: Seconds for which a key is kept, in use or not.
        clock: Monotonic seconds.
    """

    def __init__(self, *, max_bytes: int, max_age: float, clock: Clock) -> None:
        self._max_age = max_age
        self._clock = clock
        self._kept: AgedCache[bytes, _Kept] = AgedCache(max_bytes)
        self._again = AskedAgain(max_bytes=max_bytes, clock=clock)
        self._cipher: AESGCM | None = AESGCM(os.urandom(32))
        self._numbers = count()
        self._next_sweep = clock() + max_age / _SWEEPS

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: bytes, *, sealed_as: Wrap) -> OpenedKey | None:
        """Return a key; None if it is not kept.

        Args:
            name: Digest of everything that the key depends on.
            sealed_as: The wrap that its ``kid`` commits to.
        """
        kept = self._kept.get(name)
        if kept is None or self._cipher is None:
            return None
        if self._clock() >= kept.until:
            self._kept.discard(name)
            return None
        plaintext = self._cipher.decrypt(_iv(kept.number), kept.sealed, name)
        return OpenedKey(plaintext, key_uri=sealed_as.key_uri, wrapped=sealed_as.wrapped)

    def keep(self, name: bytes, plaintext: bytes, *, requested_at: float) -> None:
        """Keep a key; nothing is kept after :meth:`close`.

        Args:
            name: Digest of everything that the key depends on.
            plaintext: 32 bytes.
            requested_at: When the key service was asked, by the clock: a slow answer must not lengthen the life of a
                revoked key.
        """
        if self._cipher is None:
            return
        number = next(self._numbers)
        kept = _Kept(number, self._cipher.encrypt(_iv(number), plaintext, name), requested_at + self._max_age)
        for forgotten in self._kept.put(name, kept):
            self._again.forgot(forgotten)

    def asks(self, name: bytes) -> None:
        """Note that the key service is asked about a key, and forget the keys whose time is over."""
        self._again.asked(name)
        now = self._clock()
        if now < self._next_sweep:
            return
        self._next_sweep = now + self._max_age / _SWEEPS
        # Nobody may need them again, and a key is not to be kept for nothing.
        for past in [each for each, kept in self._kept if now >= kept.until]:
            self._kept.discard(past)

    def close(self) -> None:
        """Forget every key, and the key that they are encrypted under."""
        self._kept.clear()
        self._cipher = None


def _iv(number: int) -> bytes:
    return number.to_bytes(jwe.IV_BYTES, "big")
