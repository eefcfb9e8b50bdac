"""Proves the events of a pack, and puts proofs and contents into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from telemetry.config import TelemetryConfig
from telemetry.evidence.build.files import PackFiles
from telemetry.evidence.build.selection import Selected
from telemetry.evidence.check.dates import APART
from telemetry.evidence.pack.content import encode_content
from telemetry.evidence.pack.manifest import EventFacts
from telemetry.evidence.pack.names import EventFolder
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import IncompleteError, TamperedError, VerificationError
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.inclusion import encode_proof
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import require_clear_part
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.progress import ProgressDisplay
from telemetry.trail.proving import ProvenEvent, UnprovenEvent, prove_events

_MAX_REASON = 1_000


@dataclass(slots=True)
class ProvenEvents:
    """What became of the events.

    Attributes:
        facts: An entry of the manifest for each, in the order of their ids.
        checkpoints: Those that prove them.
        signers: The keys that signed these.
        vias: Source of the gateway that logged an event, by its id.
        exit_codes: Those of what is not proven.
    """

    facts: list[EventFacts] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    signers: set[PublicKey] = field(default_factory=set)
    vias: dict[str, str] = field(default_factory=dict)
    exit_codes: set[int] = field(default_factory=set)


class PackProver:
    """Proves events for a pack.

    Args:
        files: Gets proofs and contents.
        selected: The events that were selected, by id.
        attested_by: Name and id of the key that signs the manifest; None where nobody does.
    """

    def __init__(self, files: PackFiles, selected: Mapping[str, Selected], *, attested_by: str | None) -> None:
        self._files = files
        self._selected = selected
        self._attested_by = attested_by
        self._result = ProvenEvents()

    def prove(
        self,
        config: TelemetryConfig,
        request: EvidenceRequest,
        *,
        policy: TrustPolicy,
        now: datetime | None,
        progress: ProgressDisplay,
    ) -> ProvenEvents:
        """Prove each event; one that cannot be proven is in the pack with the reason.

        Args:
            config: Configuration of topic and store.
            request: Names events that were not selected because nothing was opened, and the copy that is read instead.
            policy: Who may sign what.
            now: Present time; None for that of the clock.
            progress: Shows how far it is.

        Raises:
            TransportError: The topic cannot be read.
            StorageError: The store or a temporary file cannot be read or written.
            ConfigurationError: The pack would be too large.
        """
        ids = sorted({*request.ids, *self._selected})
        outcomes = prove_events(config, ids, policy=policy, progress=progress, file=request.file, place=request.archive)
        for outcome in outcomes:
            problem = self._problem(outcome, now or datetime.now(UTC))
            content = self._content(outcome.event_id, is_proven=problem is None)
            signers: list[str] = []
            if problem is not None:
                self._result.exit_codes.add(problem.exit_code)
            elif isinstance(outcome, ProvenEvent):
                signers = self._keep(outcome)
            reason = None if problem is None else str(problem)[:_MAX_REASON]
            self._result.facts.append(EventFacts(id=outcome.event_id, problem=reason, content=content, signers=signers))
        return self._result

    def _problem(self, outcome: ProvenEvent | UnprovenEvent, now: datetime) -> VerificationError | None:
        """Return why an event is not proven, or not as it was opened; None if it is."""
        if isinstance(outcome, UnprovenEvent):
            return outcome.error
        time = read_unverified(outcome.proof.checkpoint)[1].time
        if datetime.fromisoformat(time) - now > APART:
            return IncompleteError(f"its checkpoint is dated {time}, which is later than the pack: a clock was wrong")
        event = self._event(outcome.event_id)
        if event is None:
            return None
        value = outcome.proof.value
        try:
            require_clear_part(value, key=event.key.encode(), message=parse(value), event=event)
        except TamperedError as exc:
            return TamperedError(f"the record that was opened is not the one that is proven: {exc}")
        return None

    def _keep(self, outcome: ProvenEvent) -> list[str]:
        """Put the proof into the pack; return the keys that are believed."""
        self._files.add(EventFolder.PROOFS.file_of(outcome.event_id), encode_proof(outcome.proof))
        checkpoint = read_unverified(outcome.proof.checkpoint)[1]
        self._result.checkpoints.append(checkpoint)
        if checkpoint.via is not None:
            self._result.vias[outcome.event_id] = checkpoint.via
        self._result.signers.update(judgement.key for judgement in outcome.believed)
        return [judgement.signer for judgement in outcome.believed]

    def _event(self, event_id: str) -> AuditEvent | None:
        selected = self._selected.get(event_id)
        return selected.event if selected is not None else None

    def _content(self, event_id: str, *, is_proven: bool) -> Literal["attested", "disclosed", "none"]:
        """Put the content into the pack; return what it is worth."""
        selected = self._selected.get(event_id)
        if selected is None or selected.event is None:
            return "none"
        content = encode_content(selected.event, attested_by=self._attested_by)
        self._files.add(EventFolder.EVENTS.file_of(event_id), content)
        # A commitment proves nothing without the proof of the record that has it.
        if selected.disclosure is None or not is_proven:
            return "attested"
        self._files.add(EventFolder.DISCLOSURES.file_of(event_id), selected.disclosure.plaintext)
        return "disclosed"
