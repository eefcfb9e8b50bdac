"""Opens the stored objects of this service, and tells them from everything else that anybody may have put into the store."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.object_form import ObjectForm
from telemetry.audit.marks.unmarked import UnmarkedTerm
from telemetry.audit.record import SealedRecord
from telemetry.config import TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import (
    ConfigurationError,
    FormatError,
    KeyMismatchError,
    KeyNotFoundError,
    Problem,
    TamperedError,
)
from telemetry.format.objects.fallback_object import PlainObjectReader, require_own_name
from telemetry.format.objects.own_record import source_of_record
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE
from telemetry.format.objects.sealed_reader import SealedObjectReader, require_sealed_name
from telemetry.format.objects.stored_name import PLAIN, SEALED, ObjectName
from telemetry.format.proof.leaves import from_text
from telemetry.format.proof.signed_note import PublicKey, Signer
from telemetry.format.value.message import environment_of, source_of
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.replay")

MAX_OWN_BYTES = 128 << 20
"""Largest object that a replay opens. Every version stores up to 64 MiB of records, or one, plus a tenth of escapes."""


class Whose(Enum):
    """To which service an object belongs.

    Attributes:
        OURS: To this one, by its signature or by the key that opens it.
        UNMARKED: To this one by its content alone; an earlier version stored it.
        OTHERS: To another one, or nothing says to which.
        EXPIRED: It is unmarked, and the time in which those are accepted is over.
    """

    OURS = auto()
    UNMARKED = auto()
    OTHERS = auto()
    EXPIRED = auto()


class OpenedObject(NamedTuple):
    """An object and its records, ready to be sent.

    Attributes:
        whose: To which service it belongs.
        records: Its records, in order; none of an object that is not sent.
        reason: Why it is not sent; empty for one that is.
    """

    whose: Whose
    records: list[SealedRecord]
    reason: str = ""


class OwnObjects:
    """What this service stored, by three marks: the signature of the header, the key that opens it, or its content.

    Args:
        source: CloudEvents source of the service's events.
        keys: Storage keys of the service.
        form: Form in which the service stores.
        signers: Public keys of the service and its siblings; empty where it does not sign.
        is_sealing: Whether the service seals its events, so that one that is not sealed cannot be its own.
        is_shared: Whether it logs on behalf of other services of its environment; what they logged is its own then.
        term: Says how long objects without a mark are accepted.
    """

    def __init__(
        self,
        source: str,
        *,
        keys: StorageKeys,
        form: ObjectForm,
        signers: Sequence[PublicKey] = (),
        is_sealing: bool,
        is_shared: bool = False,
        term: UnmarkedTerm,
    ) -> None:
        self._source = source
        # Of everything that the service writes. It sealed these bytes itself, so a look at the beginning is enough.
        own = environment_of(source) if is_shared else f'{source}",'
        self._begin = b'{"specversion":"1.0","source":"%b' % own.encode()
        self._is_shared = is_shared
        self._keys = keys
        self._form = form
        self._signers = signers
        self._is_sealing = is_sealing
        self._term = term

    def begin(self) -> None:
        """Remember in the store that this version works on it: from now on unmarked objects are accepted for a while only.

        Raises:
            StorageError: The store cannot be used.
        """
        if self._form.shelf is SEALED:
            self._term.begin()

    def open(self, waiting: WaitingObject, parts: Iterable[bytes]) -> OpenedObject:
        """Open an object.

        Args:
            waiting: The object.
            parts: Its bytes, in parts of any size.

        Raises:
            FormatError: It is malformed.
            VerificationError: It was altered.
            EncryptionError: It is this service's own, and its key is not available now.
            StorageError: The store cannot be read.
        """
        if waiting.shelf is SEALED:
            return self._open_sealed(waiting, SealedObjectReader(parts))
        return self._open_plain(waiting, PlainObjectReader(parts))

    def records_of(self, name: ObjectName, parts: Iterable[bytes], *, is_sealed: bool) -> Iterator[StoredRecord]:
        """Yield the records of an object that an operator vouches for; its mark and its name are not looked at.

        Raises:
            FormatError: It is malformed, or a record cannot be one of this service.
            VerificationError: It was altered.
            EncryptionError: Its key is not available.
        """
        if is_sealed:
            reader = SealedObjectReader(parts)
            records = reader.records(self._keys.open(reader.header.key, OBJECT_PURPOSE))
        else:
            records = PlainObjectReader(parts).records()
        for record in records:
            source = source_of_record(record, producer=name.producer, may_be_clear=not self._is_sealing)
            if not self._accepts(source):
                message = f"it has a record of {source[:200]!r}, which is another service"
                raise TamperedError(message)
            yield record

    def _accepts(self, source: str) -> bool:
        return source == self._source or (self._is_shared and environment_of(source) == environment_of(self._source))

    def _open_sealed(self, waiting: WaitingObject, reader: SealedObjectReader) -> OpenedObject:
        header = reader.header
        # 1. Whether anybody renamed or exchanged it: the name decides the order.
        require_sealed_name(header, waiting.parts)
        # 2. Who signed it. Where the service signs, an object without its signature is not its own.
        if self._signers and header.signing_key(self._signers) is None:
            reason = f"it is signed by {header.signer}" if header.signer is not None else "it is not signed"
            return _left(f"{reason}, which is no key of this service; list that in fallback_sibling_keys if it is")
        # 3. Its key, which is the mark where the service does not sign.
        if not self._signers and not self._keys.marks(header.key):
            return _left(
                "it is not sealed under a storage secret of this service, and anyone who may unwrap can have sealed it; add "
                f"the secret {header.key.key_id} to former_storage_secret_files if the service stored it"
            )
        try:
            key = self._keys.open(header.key, OBJECT_PURPOSE)
        except (KeyNotFoundError, KeyMismatchError) as exc:
            if self._signers:
                raise
            return _left(str(exc))
        # 4. Its records: each has the leaf hash that the header states, and belongs to this service.
        records = list(reader.records(key))
        if not all(record.value.startswith(self._begin) for record in records):
            # Services may share a signing key or a storage secret; each sends its own events.
            return _left("it has records of another service; replay it under that service's name")
        return OpenedObject(Whose.OURS, [_sent(record, waiting) for record in records])

    def _open_plain(self, waiting: WaitingObject, reader: PlainObjectReader) -> OpenedObject:
        require_own_name(reader.header, waiting.parts)
        records: list[SealedRecord] = []
        sources: set[str] = set()
        for record in reader.records():
            may_be_clear = not self._is_sealing
            sources.add(source_of_record(record, producer=waiting.producer, may_be_clear=may_be_clear))
            if len(sources) > 1:
                message = "the object has records of several services"
                raise TamperedError(message)
            records.append(_sent(record, waiting))
        # What it stores for others is sealed where it has a key: no version has ever stored that without.
        is_others = self._form.shelf is PLAIN and bool(sources) and all(map(self._accepts, sources))
        if sources != {self._source} and not is_others:
            return _left(f"it has records of {', '.join(sources)[:200]!r}; replay it under that service's name")
        _report_holes(waiting, records)
        if self._form.shelf is PLAIN:
            # The service itself stores in this form: it has no key, or was told to.
            return OpenedObject(Whose.OURS, records)
        if self._term.is_over():
            reason = (
                "an object without a mark of this service is accepted no more; `telemetry fallback accept` "
                "brings it back if the service stored it"
            )
            return OpenedObject(Whose.EXPIRED, [], reason)
        return OpenedObject(Whose.UNMARKED, records)


def _report_holes(waiting: WaitingObject, records: Sequence[SealedRecord]) -> None:
    events = sum(record.sequence is not None for record in records)
    if events < waiting.events:
        # It can be so: others were rejected before, or were on the topic already. Nothing marks the object, so it is said.
        logger.error(
            "the stored object %s has %d of the %d events between the sequences in its name; verify says whether one is missing",
            waiting.name,
            events,
            waiting.events,
        )


def _left(reason: str) -> OpenedObject:
    return OpenedObject(Whose.OTHERS, [], reason)


def _sent(record: StoredRecord, waiting: WaitingObject) -> SealedRecord:
    return SealedRecord.written(
        "",
        producer=waiting.producer,
        sequence=record.sequence,
        key=record.key,
        value=record.value,
        leaves=from_text(record.headers) if record.sequence is None else b"",
    )


def own_objects_of(
    config: TelemetryConfig,
    store: StorageProvider,
    *,
    keys: StorageKeys,
    signer: Signer | None,
    form: ObjectForm,
) -> OwnObjects:
    """Return what opens the objects that a service of this configuration stored.

    Args:
        config: Names the service, its siblings' keys, and until when unmarked objects are accepted.
        store: Store of the objects.
        keys: Storage keys of the service.
        signer: Its signing key; None if it does not sign.
        form: Form in which it stores.

    Raises:
        ConfigurationError: A sibling's public key is malformed.
    """
    audit = config.audit_config
    signers = [] if signer is None else [PublicKey.parse(signer.public_key)]
    siblings = [_sibling(text) for text in audit.fallback_sibling_keys]
    return OwnObjects(
        source_of(config.environment, config.service_name),
        keys=keys,
        signers=[*signers, *siblings] if signer is not None else [],
        is_sealing=audit.encryption_enabled or audit.encryption_config is not None,
        is_shared=audit.shared_streams is not None,
        term=UnmarkedTerm(
            store,
            topic=audit.kafka_topic,
            secrets=keys.secrets,
            until=audit.accept_unmarked_until,
        ),
        form=form,
    )


def _sibling(text: str) -> PublicKey:
    try:
        return PublicKey.parse(text)
    except FormatError as exc:
        problem = Problem("fallback_sibling_keys", str(exc), "give keys as `telemetry keys export-public` prints them")
        raise ConfigurationError(problem) from exc
