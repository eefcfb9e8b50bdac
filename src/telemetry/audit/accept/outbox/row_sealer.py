"""Seals events into outbox rows, under data keys that seal nothing else."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.exceptions import EncryptionError, KeyUnreachableError, LifecycleError
from telemetry.format.objects.outbox_row import head_without_place, render_row
from telemetry.format.value import jwe
from telemetry.format.value.commitment import SALT_BYTES, committed, salt_member
from telemetry.format.value.features import RECIPIENTS, RELAYED
from telemetry.format.value.recipients import recipients_digest
from telemetry.format.value.render import key_hash
from telemetry.format.value.template import with_feature
from telemetry.system.deadline import Deadline


class RowSealer(Protocol):
    """Seals events without a place."""

    def seal(self, draft: EventDraft, *, may_block: bool) -> SealedEvent:
        """Return the event as a row.

        Args:
            draft: The event.
            may_block: Wait for a data key if there is none; otherwise that is an error.

        Raises:
            EncryptionError: There is no data key.
            LifecycleError: This process seals nothing.
        """

    def request_key(self, user_id: str | None = None) -> Future[None]:
        """Request a data key, and the key of a subject where subjects have keys.

        The future ends when :meth:`seal` need not wait for them, or with the reason why not.
        """


class Prepared(NamedTuple):
    """What is the same in all rows of one data key.

    Attributes:
        kid: Commitment to the data key.
        head: Head of the value.
        protected: JWE header.
        recipients: Further wraps of the data key.
    """

    kid: str
    head: bytes
    protected: bytes
    recipients: str | None


class KeyedRowSealer:
    """Seals rows; called by many threads at once.

    Args:
        keyring: Data keys of rows.
        source: CloudEvents source of every event.
        patience: Seconds that a call waits for a data key.
    """

    def __init__(self, keyring: DataKeyring, *, source: str, patience: float) -> None:
        self._keyring = keyring
        self._source = source
        self._patience = patience
        # The keyring counts the uses of a key under its caller's lock.
        self._lock = threading.Lock()
        self._prepared = Prepared("", b"", b"", None)

    def seal(self, draft: EventDraft, *, may_block: bool) -> SealedEvent:
        """See :class:`RowSealer`."""
        text = draft.json_after_sequence
        key = self._key_for(len(text), may_block=may_block)
        prepared = self._prepared_for(key)
        plaintext = self._begun(draft, text, prepared)
        return self._row(draft, key, prepared, plaintext, kafka_key=draft.key)

    def request_key(self, user_id: str | None = None) -> Future[None]:
        """See :class:`RowSealer`."""
        del user_id
        return self._keyring.request()

    def _begun(self, draft: EventDraft, text: bytes, prepared: Prepared) -> bytes:
        """Return the beginning of a plaintext, or all of it: with what a row has that an event with a place has not.

        Args:
            draft: The event.
            text: Its JSON, from the comma before the id to any end.
            prepared: What all rows of the data key have.
        """
        at = len(draft.id_and_time_json)
        text = with_feature(text, RELAYED, at=at)
        if prepared.recipients is not None:
            # In every row: the one in 512 that named them might be rolled back.
            text = with_feature(text, RECIPIENTS, recipients_digest(prepared.recipients), at=at)
        if draft.is_disclosable:
            text = salt_member(os.urandom(SALT_BYTES)) + text
        return b"{" + text[1:]

    def _row(
        self, draft: EventDraft, key: ActiveKey, prepared: Prepared, plaintext: bytes, *, kafka_key: bytes
    ) -> SealedEvent:
        plaintext = jwe.filled(plaintext)
        tail = draft.id_and_time_json + draft.clear_tail
        if draft.is_disclosable:
            tail = committed(tail, plaintext)
        # 96 random bits for each row, each used once (NIST SP 800-38D 8.2.2); the keyring bounds the uses of a key.
        data = jwe.seal(key.cipher, protected=prepared.protected, iv=os.urandom(jwe.IV_BYTES), plaintext=plaintext)
        return _row(draft.id, prepared.head, data, tail=tail, sealed=True, key=kafka_key)

    def _key_for(self, size: int, *, may_block: bool) -> ActiveKey:
        """Return a data key for so many bytes; errors as :meth:`seal`."""
        return self._take(size) or self._wait(size, may_block=may_block)

    def _take(self, size: int) -> ActiveKey | None:
        with self._lock:
            return self._keyring.take(size)

    def _wait(self, size: int, *, may_block: bool) -> ActiveKey:
        requested = self._keyring.request()
        if not may_block and not requested.done():
            message = (
                "no data key for an outbox row is there yet, and an event loop must not be blocked; "
                "await telemetry.audit.key_ready() before seal()"
            )
            raise KeyUnreachableError(message)
        deadline = Deadline(self._patience)
        while True:
            try:
                requested.result(deadline.remaining)
            except TimeoutError as exc:
                raise self._missing() from exc
            key = self._take(size)
            if key is not None:
                return key
            # Others have used it up, if it may be used a few times only.
            requested = self._keyring.request()
            if deadline.remaining <= 0 or not may_block:
                raise self._missing()

    def _missing(self) -> EncryptionError:
        return self._keyring.last_error or KeyUnreachableError(
            "no data key: the key service did not answer within data_key_wait_ms; the event was not sealed"
        )

    def _prepared_for(self, key: ActiveKey) -> Prepared:
        prepared = self._prepared
        if prepared.kid != key.kid:
            head = head_without_place(
                self._source, key_uri=key.key_uri, wrapped_key=key.wrapped, recipients=key.recipients
            )
            prepared = self._prepared = Prepared(key.kid, head, jwe.protected_header(key.kid), key.recipients)
        return prepared


class ClearRowSealer:
    """Writes rows in the clear, for ``encryption_enabled=False`` and where nothing is sent.

    Args:
        source: CloudEvents source of every event.
    """

    def __init__(self, *, source: str) -> None:
        self._head = head_without_place(source, key_uri=None, wrapped_key=None)

    def seal(self, draft: EventDraft, *, may_block: bool) -> SealedEvent:
        """Return the event as a row."""
        del may_block
        rest = with_feature(draft.json_after_sequence, RELAYED, at=len(draft.id_and_time_json))
        tail = draft.id_and_time_json + draft.clear_tail
        return _row(draft.id, self._head, b"{" + rest[1:], tail=tail, sealed=False, key=draft.key)

    def request_key(self, user_id: str | None = None) -> Future[None]:
        """Return a future that has ended: no key is needed."""
        del user_id
        ready: Future[None] = Future()
        ready.set_result(None)
        return ready


class NoRowSealer:
    """Refuses to seal, for ``relay_only=True``."""

    def seal(self, draft: EventDraft, *, may_block: bool) -> SealedEvent:
        """Raise a ``LifecycleError``."""
        del draft, may_block
        raise _relays_only()

    def request_key(self, user_id: str | None = None) -> Future[None]:
        """Return a future that has failed."""
        del user_id
        refused: Future[None] = Future()
        refused.set_exception(_relays_only())
        return refused


def _relays_only() -> LifecycleError:
    return LifecycleError("relay_only is set: this process relays what other processes have sealed, and seals nothing")


def _row(event_id: str, head: bytes, data: bytes, *, tail: bytes, sealed: bool, key: bytes) -> SealedEvent:
    row = render_row(key, head=head, hashed=key_hash(key), tail=tail, data=data, sealed=sealed)
    return SealedEvent(event_id, row, key)
