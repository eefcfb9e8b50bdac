"""Seals events with the process's data key."""

from __future__ import annotations

import os
from collections.abc import Callable

from telemetry.audit.event import EventDraft
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.format import jwe
from telemetry.format.message import render, render_head

_IVS_AT_ONCE = 512


class AuditEncryptor:
    """Turns a draft and its place in the sequence into the value of a Kafka record.

    Everything that is constant for a data key is written once and kept with the key. All calls happen under the
    intake's lock.

    Args:
        keyring: The process's data keys.
        source: CloudEvents source of every event.
        random_bytes: Source of initialization vectors (NIST SP 800-38D 8.2.2: 96 random bits).
    """

    def __init__(self, keyring: DataKeyring, *, source: str, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._keyring = keyring
        self._source = source
        self._random_bytes = random_bytes
        self._ivs: list[bytes] = []

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> bytes | None:
        """Return the record's value, or None when no data key may be used now."""
        key = self._keyring.take(len(draft.body))
        if key is None:
            return None
        template = key.template
        if template is None or template[0] != producer:
            key.template = template = self._template(key, producer)
        _, head, protected, encoded_producer = template
        data = jwe.seal(key.cipher, protected, self._next_iv(), draft.plaintext(encoded_producer, sequence))
        return render(head, sequence, draft.tail, data, sealed=True)

    def _template(self, key: ActiveKey, producer: str) -> tuple[str, bytes, bytes, bytes]:
        head = render_head(self._source, producer, key_uri=key.key_uri, wrapped_key=key.wrapped)
        return producer, head, jwe.protected_header(key.kid), producer.encode()

    def _next_iv(self) -> bytes:
        if not self._ivs:
            pool = self._random_bytes(jwe.IV_BYTES * _IVS_AT_ONCE)
            self._ivs = [pool[at : at + jwe.IV_BYTES] for at in range(0, len(pool), jwe.IV_BYTES)]
        return self._ivs.pop()


class ClearEncoder:
    """Writes events in the clear, for ``encryption_enabled=False``."""

    def __init__(self, *, source: str) -> None:
        self._source = source
        self._template = ("", b"", b"")

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> bytes:
        """Return the record's value."""
        if self._template[0] != producer:
            head = render_head(self._source, producer, key_uri=None, wrapped_key=None)
            self._template = (producer, head, producer.encode())
        _, head, encoded_producer = self._template
        data = draft.plaintext(encoded_producer, sequence)
        return render(head, sequence, draft.tail, data, sealed=False)
