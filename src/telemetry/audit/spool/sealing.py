"""Gives what is in a segment the form that it has on disk: plain (format 3), or sealed and chained (format 4).

Every row of format 4 is sealed under a key of its segment alone, together with its number and the tag of the row before. So
nobody without the storage secret writes a row, exchanges two of them, or leaves one out unnoticed (docs/format.md, ADR 0019).
"""

from __future__ import annotations

import hashlib
import os
import struct
from typing import NamedTuple, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import FormatError
from telemetry.format.objects.sealed_object import ContentKey
from telemetry.format.objects.stored_key import MAX_URI_CHARACTERS, MAX_WRAPPED_BYTES, SALT_BYTES, StoredKey

PLAIN_VERSION = 3
SEALED_VERSION = 4
SPOOL_PURPOSE = b"spool"
"""Purpose for which the key of a segment is derived."""

TAG_BYTES = 16

_NONCE_BYTES = 12
_PREFIX = struct.Struct(f">Q{TAG_BYTES}s{_NONCE_BYTES}s")
_ABOUT, _ROW, _NOTE = b"\x00", b"\x01", b"\x02"
_NUMBER = struct.Struct(">Q")

_encode = msgspec.msgpack.Encoder().encode


class KeyOpener(Protocol):
    """Opens content keys, as ``StorageKeys`` does."""

    def open(self, stored: StoredKey, purpose: bytes) -> bytes:
        """Return the key; raises ``EncryptionError``."""

    def marks(self, stored: StoredKey) -> bool:
        """Return whether such a key shows that the service itself stored something."""


class About(msgspec.Struct, array_like=True):
    """Identity of the producer whose records a segment contains; the first entry of its notes.

    Attributes:
        version: Format of the segment.
        producer: The stream.
        topic: Topic of its records.
        source: CloudEvents source of the stream; empty where it is sealed.
    """

    version: int
    producer: str
    topic: str
    source: str


class _SealedAbout(About, array_like=True):
    """What format 4 says in addition: how the key is found, and the source, sealed."""

    key_id: str = ""
    salt: bytes = b""
    key_uri: str = ""
    wrapped: bytes = b""
    sealed_key: bytes = b""
    sealed_source: bytes = b""


_decode_about = msgspec.msgpack.Decoder(About).decode
_decode_sealed_about = msgspec.msgpack.Decoder(_SealedAbout).decode


class Link(NamedTuple):
    """A place in the chain: number and tag of a row. The first row has the number 1."""

    row: int = 0
    tag: bytes = bytes(TAG_BYTES)


class OpenedRow(NamedTuple):
    """A row that was opened.

    Attributes:
        content: The pack.
        link: The row in the chain; None where there is no chain.
        before: Tag of the row before.
    """

    content: bytes
    link: Link | None = None
    before: bytes = b""


class RowForm(Protocol):
    """The form of a segment's rows and of its note of progress."""

    @property
    def is_chained(self) -> bool:
        """Whether progress is a ``ChainedProgress``."""

    @property
    def last(self) -> Link:
        """The last row that was sealed; set back where its commit failed."""

    def seal_row(self, content: bytes) -> bytes:
        """Return the bytes of the next row."""

    def open_row(self, stored: bytes) -> OpenedRow:
        """Return a row; raises ``ValueError`` if it is not of this segment."""

    def seal_note(self, content: bytes) -> bytes:
        """Return the bytes of a note that follows the last row."""

    def open_note(self, stored: bytes) -> OpenedRow:
        """Return a note, with the row that it follows; raises as :meth:`open_row` does."""

    def go_back(self, last: Link) -> None:
        """Continue the chain after an earlier row, because no later one is in the file."""


class PlainForm:
    """Format 3: checksums alone, for a service that has no key at all, and for what an earlier version left."""

    is_chained = False
    last = Link()

    def seal_row(self, content: bytes) -> bytes:
        """Return the content as it is."""
        return content

    def open_row(self, stored: bytes) -> OpenedRow:
        """Return the content as it is."""
        return OpenedRow(stored)

    def seal_note(self, content: bytes) -> bytes:
        """Return the content as it is."""
        return content

    def open_note(self, stored: bytes) -> OpenedRow:
        """Return the content as it is."""
        return OpenedRow(stored)

    def go_back(self, last: Link) -> None:
        """There is no chain."""


class SealedForm:
    """Format 4.

    Args:
        key: Key of the segment.
        about: The entry that says whose it is; every row is bound to these bytes.
    """

    is_chained = True

    def __init__(self, key: bytes, about: bytes) -> None:
        self._cipher = AESGCM(key)
        self._about = hashlib.sha256(about).digest()
        self._last = Link()

    @property
    def last(self) -> Link:
        """See :class:`RowForm`."""
        return self._last

    def go_back(self, last: Link) -> None:
        """See :class:`RowForm`."""
        self._last = last

    def seal_row(self, content: bytes) -> bytes:
        """See :class:`RowForm`."""
        row, before = self._last.row + 1, self._last.tag
        stored = self._seal(_ROW, row, before, content)
        self._last = Link(row, stored[-TAG_BYTES:])
        return stored

    def open_row(self, stored: bytes) -> OpenedRow:
        """See :class:`RowForm`."""
        row, before, content = self._open(_ROW, stored)
        return OpenedRow(content, Link(row, stored[-TAG_BYTES:]), before)

    def seal_note(self, content: bytes) -> bytes:
        """See :class:`RowForm`."""
        return self._seal(_NOTE, self._last.row, self._last.tag, content)

    def open_note(self, stored: bytes) -> OpenedRow:
        """See :class:`RowForm`."""
        row, tag, content = self._open(_NOTE, stored)
        return OpenedRow(content, Link(row, tag))

    def _seal(self, kind: bytes, row: int, tag: bytes, content: bytes) -> bytes:
        # Random, because a number may come back with other content after a commit that failed.
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, content, self._bound(kind, row, tag))
        return _PREFIX.pack(row, tag, nonce) + sealed

    def _open(self, kind: bytes, stored: bytes) -> tuple[int, bytes, bytes]:
        if len(stored) < _PREFIX.size + TAG_BYTES:
            message = "a row is too short"
            raise ValueError(message)
        row, tag, nonce = _PREFIX.unpack_from(stored)
        try:
            content = self._cipher.decrypt(nonce, memoryview(stored)[_PREFIX.size :], self._bound(kind, row, tag))
        except InvalidTag as exc:
            message = "a row was not sealed for this segment"
            raise ValueError(message) from exc
        return row, tag, content

    def _bound(self, kind: bytes, row: int, tag: bytes) -> bytes:
        return kind + self._about + _NUMBER.pack(row) + tag


class Chain:
    """Checks that the rows of a segment are those of one history, without a hole.

    Args:
        first: Number of the oldest row that must be there.
        last: The last row.
    """

    def __init__(self, first: int, last: Link) -> None:
        self._first = max(first, 1)
        self._last = last
        count = max(last.row - self._first + 1, 0)
        # 16 bytes each: a segment may have a million rows.
        self._tags = bytearray(count * TAG_BYTES)
        self._befores = bytearray(count * TAG_BYTES)
        self._is_broken = False

    def add(self, row: OpenedRow) -> None:
        """Add a row, in any order; one that is older than what must be there is passed over."""
        if row.link is None or row.link.row < self._first:
            return
        if row.link.row > self._last.row:
            self._is_broken = True
            return
        start = (row.link.row - self._first) * TAG_BYTES
        self._tags[start : start + TAG_BYTES] = row.link.tag
        self._befores[start : start + TAG_BYTES] = row.before

    @property
    def is_whole(self) -> bool:
        """Whether every row was added, each with the tag of the one before, up to the last."""
        if self._is_broken or self._tags[-TAG_BYTES:] not in (b"", self._last.tag):
            return False
        # A row that is absent has zeros for a tag; the row after it names another one.
        return self._tags[:-TAG_BYTES] == self._befores[TAG_BYTES:]


def plain_about(*, producer: str, topic: str, source: str) -> bytes:
    """Return the first entry of a segment of format 3."""
    return _encode(About(PLAIN_VERSION, producer, topic, source))


def sealed_about(key: ContentKey, *, producer: str, topic: str, source: str) -> bytes:
    """Return the first entry of a segment of format 4."""
    stored = key.stored
    about = _SealedAbout(
        SEALED_VERSION,
        producer,
        topic,
        "",
        stored.key_id or "",
        stored.salt,
        stored.key_uri or "",
        stored.wrapped or b"",
        stored.sealed or b"",
    )
    nonce = os.urandom(_NONCE_BYTES)
    about.sealed_source = nonce + AESGCM(key.plaintext).encrypt(nonce, source.encode(), _ABOUT + _encode(about))
    return _encode(about)


def decode_about(content: bytes) -> About:
    """Return the first entry of a segment.

    Raises:
        ValueError: It is none.
    """
    return _decode_about(content)


def stored_key_of(content: bytes) -> StoredKey:
    """Return how the key of a segment of format 4 is found.

    Raises:
        FormatError: Its first entry does not say that.
    """
    about = _sealed_about_of(content)
    wraps = (about.key_uri, about.wrapped, about.sealed_key)
    fits = (
        len(about.salt) == SALT_BYTES
        and len(about.key_uri) <= MAX_URI_CHARACTERS
        and len(about.wrapped) <= MAX_WRAPPED_BYTES
        and (all(wraps) or not any(wraps))
    )
    if not fits or not (about.key_id or about.key_uri):
        message = "the segment does not say how its key is found"
        raise FormatError(message)
    return StoredKey(
        about.salt, about.key_id or None, about.key_uri or None, about.wrapped or None, about.sealed_key or None
    )


def open_source(content: bytes, key: bytes) -> str:
    """Return the source that the first entry of a segment of format 4 has sealed.

    Raises:
        FormatError: The entry was not sealed under this key, or was altered.
    """
    about = _sealed_about_of(content)
    box, about.sealed_source = about.sealed_source, b""
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _ABOUT + _encode(about)).decode()
    except (InvalidTag, ValueError) as exc:
        message = "the first entry of the segment was altered"
        raise FormatError(message) from exc


def _sealed_about_of(content: bytes) -> _SealedAbout:
    try:
        return _decode_sealed_about(content)
    except ValueError as exc:  # a msgspec error is one, too
        message = "the first entry of the segment cannot be read"
        raise FormatError(message) from exc
