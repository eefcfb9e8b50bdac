"""Seals events with the process's data key."""

from __future__ import annotations

import os
from struct import Struct

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.salts import Salts
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.exceptions import LifecycleError
from telemetry.format.value import jwe
from telemetry.format.value.commitment import committed, salt_member
from telemetry.format.value.features import RECIPIENTS
from telemetry.format.value.parts import FRAME_BYTES
from telemetry.format.value.recipients import recipients_digest
from telemetry.format.value.render import render, render_head
from telemetry.format.value.template import beginning_of, with_feature

_IVS = Struct(f"{jwe.IV_BYTES}s" * 512)
"""Initialization vectors are drawn 512 at once: one system call for each event would cost more than sealing it."""

_Template = tuple[str, bytes, bytes, bytes, int]
"""The parts that are equal for all events of a producer under one data key: producer, head of the value, JWE header,
beginning of the event, and the bytes of all that in a value. A plain tuple: unpacking a named one takes ten times as long."""


class AuditEncryptor:
    """Seals drafts, each with its place in the sequence.

    Everything that is constant for a data key is written once and kept with the key. All calls happen under the
    intake's lock.

    Args:
        keyring: The process's data keys.
        source: CloudEvents source of every event.
    """

    def __init__(self, keyring: DataKeyring, *, source: str) -> None:
        self._keyring = keyring
        self._source = source
        self._ivs: list[bytes] = []
        self._salts = Salts()

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        """Return the event as a record, or None when no data key may be used now."""
        rest = draft.json_after_sequence
        key = self._keyring.take(len(rest))
        if key is None:
            return None
        # Kept with the key, so that it is forgotten with it. Written out: a call would cost more than all of it.
        template: _Template | None = key.template
        is_first = template is None or template[0] != producer
        if template is None or is_first:
            key.template = template = self._template(key, producer)
        _, head, protected, beginning, fixed = template
        # 96 random bits for each event, each used once (NIST SP 800-38D 8.2.2); the keyring bounds the uses of a key.
        ivs = self._ivs
        if is_first or not ivs:
            ivs = ivs or self._draw_ivs()
            if key.recipients is not None:
                head, rest = self._naming_recipients(draft, key, producer, rest=rest)
                fixed += len(head) - len(template[1])
        iv = ivs.pop()
        begun = beginning % sequence
        if draft.is_disclosable:
            begun += salt_member(self._salts.draw())
        plaintext = b"".join((begun, rest, jwe.FILL[(len(begun) + len(rest)) % jwe.TEXT_MULTIPLE]))
        ciphertext = key.cipher.encrypt(iv, plaintext, protected)
        kafka_key, stamp, tail = draft.key, draft.id_and_time_json, draft.clear_tail
        if draft.is_disclosable:
            tail = committed(tail, plaintext)
        size = fixed + len(kafka_key) + len(stamp) + len(tail) + (len(ciphertext) * 4 + 2) // 3
        return SealedRecord(
            event_id=draft.id,
            producer=producer,
            sequence=sequence,
            key=kafka_key,
            size=size,
            value_head=head,
            id_and_time_json=stamp,
            clear_tail=tail,
            jwe_header=protected,
            iv=iv,
            ciphertext=ciphertext,
        )

    def _template_of(self, key: ActiveKey, producer: str) -> tuple[_Template, bool]:
        """Return the template of a data key, and whether this is the producer's first event under it."""
        template: _Template | None = key.template
        if template is not None and template[0] == producer:
            return template, False
        key.template = template = self._template(key, producer)
        return template, True

    def _template(self, key: ActiveKey, producer: str) -> _Template:
        head = render_head(self._source, producer, key_uri=key.key_uri, wrapped_key=key.wrapped)
        protected = jwe.protected_header(key.kid)
        return producer, head, protected, beginning_of(producer), len(head) + len(protected) + FRAME_BYTES

    def _naming_recipients(
        self, draft: EventDraft, key: ActiveKey, producer: str, *, rest: bytes
    ) -> tuple[bytes, bytes]:
        """Return head and rest of an event whose record names the further wraps of its data key.

        That is the first record of a data key, and one in 512 after it: too few to matter in bytes, and enough that a
        reader finds them wherever it begins. They are durable as soon as the events are, since they are part of one.
        """
        text = key.recipients or ""
        head = render_head(self._source, producer, key_uri=key.key_uri, wrapped_key=key.wrapped, recipients=text)
        return head, with_feature(rest, RECIPIENTS, recipients_digest(text), at=len(draft.id_and_time_json))

    def _draw_ivs(self) -> list[bytes]:
        self._ivs = list(_IVS.unpack(os.urandom(_IVS.size)))
        return self._ivs


class ClearEncoder:
    """Writes events in the clear, for ``encryption_enabled=False``.

    Args:
        source: CloudEvents source of every event.
    """

    def __init__(self, *, source: str) -> None:
        self._source = source
        self._template = ("", b"", b"")

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord:
        """Return the event as a record."""
        if self._template[0] != producer:
            head = render_head(self._source, producer, key_uri=None, wrapped_key=None)
            self._template = (producer, head, beginning_of(producer))
        _, head, beginning = self._template
        tail, data = draft.id_and_time_json + draft.clear_tail, beginning % sequence + draft.json_after_sequence
        value = render(head, sequence=sequence, key=draft.key, tail=tail, data=data, sealed=False)
        return SealedRecord.written(draft.id, producer=producer, sequence=sequence, key=draft.key, value=value)


class NoSealer:
    """Refuses every event, for ``relay_only=True``."""

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord:
        """Raise a ``LifecycleError``."""
        del draft, producer, sequence
        message = "relay_only is set: this process relays what other processes have sealed, and logs nothing itself"
        raise LifecycleError(message)
