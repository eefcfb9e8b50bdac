"""Seals events with a subject into outbox rows."""

from __future__ import annotations

import os
from concurrent.futures import Future

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.outbox.row_sealer import KeyedRowSealer
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.audit.accept.subject.sealing import Subjects, prepared_of, sealed_content, size_with_content
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import KeyUnreachableError
from telemetry.format.value.jwe import IV_BYTES
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.system.deadline import Deadline


class SubjectRowSealer(KeyedRowSealer):
    """Seals rows of events with a subject, and those of the library itself; see :class:`KeyedRowSealer`.

    Args:
        keyring: Data keys of rows.
        source: CloudEvents source of every event.
        patience: Seconds that a call waits for a key.
        subjects: The keys of the subjects.
    """

    def __init__(self, keyring: DataKeyring, *, source: str, patience: float, subjects: Subjects) -> None:
        super().__init__(keyring, source=source, patience=patience)
        self._subjects = subjects

    def seal(self, draft: EventDraft, *, may_block: bool) -> SealedEvent:
        """See :class:`KeyedRowSealer`."""
        if type(draft) is not SubjectDraft:
            return super().seal(draft, may_block=may_block)
        key = self._key_for(size_with_content(draft), may_block=may_block)
        data_key = self._prepared_for(key)
        beside = self._begun(draft, draft.json_after_sequence[: draft.content_at], data_key)
        deadline = Deadline(self._patience)
        while True:
            subject = self._subject_of(draft.user_id, deadline, may_block=may_block)
            prepared = prepared_of(subject, draft.key)
            plaintext = sealed_content(draft, beside + prepared.member, key=subject, iv=os.urandom(IV_BYTES))
            # The subject may have been forgotten meanwhile, and the key be destroyed by now.
            if self._subjects.still_holds(subject):
                return self._row(draft, key, data_key, plaintext, kafka_key=prepared.kafka_key)

    def request_key(self, user_id: str | None = None) -> Future[None]:
        """See :class:`KeyedRowSealer`."""
        requested = super().request_key()
        if user_id is None or self._subjects.take(user_id) is not None:
            return requested
        both: Future[None] = Future()
        # One after the other: the second one is usually there already.
        self._subjects.request([user_id]).add_done_callback(lambda done: _follow(done, requested, both))
        return both

    def _subject_of(self, user_id: str, deadline: Deadline, *, may_block: bool) -> SubjectKey:
        subject = self._subjects.take(user_id)
        if subject is not None:
            return subject
        requested = self._subjects.request([user_id])
        if not may_block and not requested.done():
            message = (
                "no key of the event's subject is there yet, and an event loop must not be blocked; "
                "await telemetry.audit.key_ready(user_id) before seal()"
            )
            raise KeyUnreachableError(message)
        while True:
            try:
                requested.result(deadline.remaining)
            except TimeoutError as exc:
                raise self._subjects.missing() from exc
            subject = self._subjects.take(user_id)
            if subject is not None:
                return subject
            if deadline.remaining <= 0 or not may_block:
                raise self._subjects.missing()
            requested = self._subjects.request([user_id])


def _follow(first: Future[None], second: Future[None], both: Future[None]) -> None:
    """Finish a future once two others have finished."""
    error = first.exception()
    if error is not None:
        both.set_exception(error)
        return
    second.add_done_callback(lambda done: _finish(both, done.exception()))


def _finish(future: Future[None], error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
        return
    future.set_result(None)
