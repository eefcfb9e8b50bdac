"""Checks the content of the events of a pack: against the clear part of the proven record, its commitment, and the seal."""

from __future__ import annotations

import hmac
from collections import Counter

from telemetry.evidence.check.proofs import CheckedProof
from telemetry.evidence.check.report import UNOPENED, UNPROVEN, Findings
from telemetry.evidence.pack.archive import Archive
from telemetry.evidence.pack.content import EventContent, decode_content, event_json
from telemetry.evidence.pack.manifest import EventFacts
from telemetry.evidence.pack.names import EventFolder
from telemetry.exceptions import EncryptionError, TamperedError, TelemetryError
from telemetry.format.value.disclosure import Disclosure, verify_disclosure
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.open_record import open_clear_record, require_clear_part
from telemetry.reader.entry import DamagedRecord, OpenedEvent, Place, RawRecord
from telemetry.reader.open.opener import RecordOpener

_PACK = "evidence pack"


class ContentCheck:
    """The check of the contents.

    Args:
        intact: Names of the files that are what the manifest lists.
        attested_by: Name and id of the key that signs the manifest; None where nobody does.
        opener: Opens sealed records again; None leaves them sealed.
        findings: Gets what is found.
    """

    def __init__(
        self, intact: frozenset[str], attested_by: str | None, opener: RecordOpener | None, findings: Findings
    ) -> None:
        self._intact = intact
        self._attested_by = attested_by
        self._opener = opener
        self._check = findings.begin("content")
        self._counts: Counter[str] = Counter()
        self._has_word = False

    def check(self, archive: Archive, event: EventFacts, proof: CheckedProof | None) -> None:
        """Check the content of an event.

        1. The file is in its one form, of this event, and names the key that signs the manifest.
        2. It is what the clear part of the proven record says, byte for byte: id, type, time, source, producer, sequence,
           the hash of its Kafka key, and every field that is projected outside.
        3. Of a record in the clear, the content is in the proven record itself.
        4. Of a disclosable event, the service committed to this content when it logged it: who can open it, can disclose it.
        5. With an opener: the sealed record opens to exactly this content.
        """
        name = EventFolder.EVENTS.file_of(event.id)
        try:
            # 1.
            content = decode_content(archive.read(name))
            decoded = content.decoded()
            self._require_own(event, content, decoded)
            if proof is None:
                self._has_word = True
                self._counts["attested, and of no proven record"] += 1
                return
            # 2.
            message, value = proof.record.message, proof.record.value
            require_clear_part(value, key=decoded.key.encode(), message=message, event=decoded)
            # 3.
            if not message.is_sealed:
                _require_same(open_clear_record(value, key=decoded.key.encode(), message=message), content)
                self._counts["proven: it was logged in the clear"] += 1
                return
        except TelemetryError as exc:
            self._check.add(name, f"is not the content of event {event.id}: {exc}")
            return
        # 4.
        if event.content == "disclosed":
            self._disclosed(archive, event, proof, content)
        elif message.commitment is not None:
            reason = "is attested alone: the record commits to its content, and the disclosure that would prove it was left out"
            self._check.add(name, reason, exit_code=UNPROVEN)
        # 5.
        if self._opener is not None:
            self._open(self._opener, name, decoded, proof, content)
        elif event.content != "disclosed":
            self._has_word = True
            self._counts[f"attested by {self._attested_by or 'nobody'}"] += 1

    def conclude(self) -> None:
        """Conclude the check; it is noted where some of the content is somebody's word alone."""
        if not self._counts and not self._check.has_findings:
            self._check.note("the pack has none: its events are sealed in their proofs")
            return
        detail = "; ".join(f"{count:,} {words}" for words, count in sorted(self._counts.items()))
        if self._has_word:
            self._check.note(detail)
        else:
            self._check.conclude(detail or "none holds")

    def _require_own(self, event: EventFacts, content: EventContent, decoded: AuditEvent) -> None:
        if decoded.id != event.id:
            message = f"it is that of event {decoded.id}"
            raise TamperedError(message)
        if content.attested_by != self._attested_by:
            message = f"it says that {content.attested_by or 'nobody'} vouches for it, the manifest names another"
            raise TamperedError(message)

    def _disclosed(self, archive: Archive, event: EventFacts, proof: CheckedProof, content: EventContent) -> None:
        name = EventFolder.DISCLOSURES.file_of(event.id)
        if name not in self._intact:
            return  # it is named already
        try:
            _require_same(verify_disclosure(proof.record.value, Disclosure(archive.read(name))), content)
        except TelemetryError as exc:
            self._check.add(name, f"does not show the content of event {event.id}: {exc}")
        else:
            self._counts["proven: the service committed to it when it was logged"] += 1

    def _open(
        self, opener: RecordOpener, name: str, decoded: AuditEvent, proof: CheckedProof, content: EventContent
    ) -> None:
        raw = RawRecord(decoded.key.encode(), proof.record.value, Place(_PACK, name=name))
        entry = opener.open(raw)
        if isinstance(entry, OpenedEvent):
            if entry.event.is_forgotten and not decoded.is_forgotten:
                # The pack is older: what it attests can be compared with nothing any more, and is not contradicted.
                self._counts["not compared: the subject was forgotten since"] += 1
                return
            try:
                _require_same(entry.event, content)
            except TamperedError as exc:
                self._check.add(name, str(exc))
            else:
                self._counts["opened and compared"] += 1
            return
        error = entry.error if isinstance(entry, DamagedRecord) else None
        # The record is proven: a key that does not open it, or that is away, says nothing about the pack.
        is_unopened = isinstance(error, EncryptionError)
        reason = f"the sealed record could not be opened: {error or 'it is not an event'}"
        self._check.add(name, reason, **({"exit_code": UNOPENED} if is_unopened else {}))


def _require_same(event: AuditEvent, content: EventContent) -> None:
    if not hmac.compare_digest(event_json(event), content.event):
        message = "the record says something else than this content"
        raise TamperedError(message)
