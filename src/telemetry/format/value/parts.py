"""The Kafka value that a sealed event's parts make. It is written out late, off the path of whoever logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Protocol

from telemetry.format import canonical_base64
from telemetry.format.value.jwe import IV_BYTES, IV_CHARACTERS, TAG_BYTES, TAG_CHARACTERS
from telemetry.format.value.message import key_hash

_FILL = bytes(-(IV_BYTES + TAG_BYTES) % 3)
"""Behind each ciphertext, so that among texts that are encoded together each is encoded as if it stood alone."""
_TAG_PLACE = (TAG_BYTES + len(_FILL)) // 3 * 4
"""Characters of a tag and what fills it up."""


class SealedEvent(Protocol):
    """The parts of an event that only its data key opens, beside its ciphertext."""

    @property
    def value_head(self) -> bytes:
        """What is constant for the data key."""

    @property
    def sequence(self) -> int | None:
        """Its number."""

    @property
    def key(self) -> bytes:
        """Kafka key."""

    @property
    def id_and_time_json(self) -> bytes:
        """Id and time as JSON members, each after its comma."""

    @property
    def clear_tail(self) -> bytes:
        """The clear part that follows them, up to the data."""

    @property
    def jwe_header(self) -> bytes:
        """JWE header."""

    @property
    def iv(self) -> bytes:
        """Initialization vector."""


def value_of(event: SealedEvent, ciphertext: bytes) -> bytes:
    """Return the Kafka value of an event whose ciphertext, with the tag, is this."""
    return next(_written([event], [ciphertext], canonical_base64.encode_url(event.iv + ciphertext)))


def values_together(events: Sequence[SealedEvent], ciphertexts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield what :func:`value_of` returns for each; cheaper than one by one."""
    parts = chain.from_iterable(zip([event.iv for event in events], ciphertexts, repeat(_FILL)))
    return _written(events, ciphertexts, canonical_base64.encode_url_filled(b"".join(parts)))


def _written(events: Sequence[SealedEvent], ciphertexts: Sequence[bytes], text: bytes) -> Iterator[bytes]:
    """Yield each value in one step: what ``message.render`` makes of the JWE compact serialization.

    Args:
        events: What was sealed.
        ciphertexts: Of each, with the tag.
        text: Of each, initialization vector, ciphertext and tag in base64url as if they were one. That is the encoding of
            its parts in a row: the first has 12 bytes, and of the second all but the tag is a multiple of
            ``jwe.TEXT_MULTIPLE``.
    """
    iv = 0
    for event, sealed in zip(events, ciphertexts, strict=True):
        ciphertext = iv + IV_CHARACTERS
        tag = ciphertext + (len(sealed) - TAG_BYTES) // 3 * 4
        yield b"".join((
            event.value_head, b'%d,"keyhash":"' % (event.sequence or 0), key_hash(event.key), b'"', event.id_and_time_json, event.clear_tail,
            b'"', event.jwe_header, b"..", text[iv:ciphertext], b".", text[ciphertext:tag], b".",
            text[tag : tag + TAG_CHARACTERS], b'"}',
        ))  # fmt: skip
        iv = tag + _TAG_PLACE
