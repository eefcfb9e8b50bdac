"""Seals drafts of events with a subject: first their content under the subject's key, then all of it under the data key."""

from __future__ import annotations

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.audit.accept.subject.sealing import Subjects, prepared_of, sealed_content, size_with_content
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.value import jwe
from telemetry.format.value.commitment import committed, salt_member


class SubjectEncryptor(AuditEncryptor):
    """Seals events with a subject, and those of the library itself, which have none; see :class:`AuditEncryptor`.

    Args:
        keyring: The process's data keys.
        source: CloudEvents source of every event.
        subjects: The keys of the subjects.
    """

    def __init__(self, keyring: DataKeyring, *, source: str, subjects: Subjects) -> None:
        super().__init__(keyring, source=source)
        self._subjects = subjects

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        """Return the event as a record, or None when no data key, or no key of its subject, may be used now."""
        if type(draft) is not SubjectDraft:
            return super().seal(draft, producer, sequence)
        # 1. The keys: that of the subject first, since asking for a data key counts a use of it.
        subject = self._subjects.take(draft.user_id)
        key = self._keyring.take(size_with_content(draft)) if subject is not None else None
        if subject is None or key is None:
            return None
        template, is_first = self._template_of(key, producer)
        _, head, protected, beginning, fixed = template
        # 2. What is beside the content; it is authenticated with the content.
        beside = draft.json_after_sequence[: draft.content_at]
        ivs = self._ivs if len(self._ivs) > 1 else []
        if is_first or not ivs:
            ivs = ivs or self._draw_ivs()
            if key.recipients is not None:
                head, beside = self._naming_recipients(draft, key, producer, rest=beside)
                fixed += len(head) - len(template[1])
        prepared = prepared_of(subject, draft.key)
        begun = beginning % sequence
        if draft.is_disclosable:
            begun += salt_member(self._salts.draw())
        beside = b"".join((begun, beside, prepared.member))
        # 3. Both seals, each with 96 random bits of its own.
        plaintext = jwe.filled(sealed_content(draft, beside, key=subject, iv=ivs.pop()))
        iv = ivs.pop()
        ciphertext = key.cipher.encrypt(iv, plaintext, protected)
        # 4. A process that was stopped meanwhile may have lost its right to the key, and the key may be destroyed by now.
        if not self._subjects.still_holds(subject):
            return None
        tail = committed(draft.clear_tail, plaintext) if draft.is_disclosable else draft.clear_tail
        kafka_key, stamp = prepared.kafka_key, draft.id_and_time_json
        return SealedRecord(
            event_id=draft.id,
            producer=producer,
            sequence=sequence,
            key=kafka_key,
            size=fixed + len(kafka_key) + len(stamp) + len(tail) + (len(ciphertext) * 4 + 2) // 3,
            value_head=head,
            id_and_time_json=stamp,
            clear_tail=tail,
            jwe_header=protected,
            iv=iv,
            ciphertext=ciphertext,
        )
