"""Assembles the Kafka value of a sealed event from its parts, one by one or many together.

The caller of ``log()`` does not wait for this: a value is assembled when its batch is sent (docs/adr/0006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Protocol

from telemetry.format import canonical_base64
from telemetry.format.value.jwe import IV_BYTES, IV_CHARACTERS, TAG_BYTES, TAG_CHARACTERS
from telemetry.format.value.message import KEY_HASH, KEY_HASH_CHARACTERS, MAX_SEQUENCE, NUMBER_AND_KEY_HASH
from telemetry.format.value.render import key_hash

FRAME_BYTES = len(str(MAX_SEQUENCE)) + len(KEY_HASH) + KEY_HASH_CHARACTERS + IV_CHARACTERS + len(b'""...."}')
"""The most that a value has beside head, id and time, clear tail, JWE header and ciphertext with tag."""

_FILL = bytes(-(IV_BYTES + TAG_BYTES) % 3)
"""Follows each ciphertext, so that among texts that are encoded together each is encoded as if it were alone."""
_TAG_WIDTH = (TAG_BYTES + len(_FILL)) // 3 * 4
"""Characters of a tag and its fill."""


class SealedEvent(Protocol):
    """An event that only its data key opens, in the parts of its value; without the ciphertext."""

    @property
    def value_head(self) -> bytes:
        """The head of the value, which is constant for the data key."""

    @property
    def sequence(self) -> int | None:
        """Number in the producer's stream."""

    @property
    def key(self) -> bytes:
        """Kafka key."""

    @property
    def id_and_time_json(self) -> bytes:
        """Id and time as JSON members, each after its comma."""

    @property
    def clear_tail(self) -> bytes:
        """The clear members that follow, up to the name of the data."""

    @property
    def jwe_header(self) -> bytes:
        """Protected header of the JWE, in base64url."""

    @property
    def iv(self) -> bytes:
        """Initialization vector."""


def value_of(event: SealedEvent, ciphertext: bytes) -> bytes:
    """Return the Kafka value of an event.

    Args:
        event: The other parts.
        ciphertext: Ciphertext of the event, followed by the tag.
    """
    return next(_assemble([event], [ciphertext], canonical_base64.encode_url(event.iv + ciphertext)))


def values_together(events: Sequence[SealedEvent], ciphertexts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield what :func:`value_of` returns for each event; cheaper than one by one."""
    parts = chain.from_iterable(zip([event.iv for event in events], ciphertexts, repeat(_FILL)))
    return _assemble(events, ciphertexts, canonical_base64.encode_url_filled(b"".join(parts)))


def _assemble(events: Sequence[SealedEvent], ciphertexts: Sequence[bytes], text: bytes) -> Iterator[bytes]:
    """Yield each value in one step; ``render.render`` gives the same value from the JWE compact serialization.

    Args:
        events: The other parts of each value.
        ciphertexts: Ciphertext of each, followed by the tag.
        text: Initialization vector, ciphertext and tag of each, encoded in base64url as one text. It is the same as the
            encodings of the three one after the other: the first has 12 bytes, and the ciphertext's length is a
            multiple of ``jwe.TEXT_MULTIPLE``, so that none of them ends within a group of four characters.
    """
    iv = 0
    for event, sealed in zip(events, ciphertexts, strict=True):
        # Where each of the three begins in the text.
        ciphertext = iv + IV_CHARACTERS
        tag = ciphertext + (len(sealed) - TAG_BYTES) // 3 * 4
        yield b"".join((
            event.value_head, NUMBER_AND_KEY_HASH % (event.sequence or 0), key_hash(event.key), b'"',
            event.id_and_time_json, event.clear_tail,
            b'"', event.jwe_header, b"..", text[iv:ciphertext], b".", text[ciphertext:tag], b".",
            text[tag : tag + TAG_CHARACTERS], b'"}',
        ))  # fmt: skip
        iv = tag + _TAG_WIDTH
