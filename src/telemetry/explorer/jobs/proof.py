"""Proves one event as a job, and checks the proof again as somebody outside would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.exceptions import TamperedError, TelemetryError
from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.format.proof.inclusion import InclusionProof, ProvenRecord, encode_proof, verify_proof
from telemetry.format.proof.merkle import PathStep, leaf_hash, walk_path
from telemetry.reader.trust import Judgement, TrustPolicy
from telemetry.trail.life_steps import means_altered
from telemetry.trail.proving import UnprovenEvent, prove_events

_STEP_BYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProof:
    """A proof that holds, and each step that leads to it.

    Attributes:
        file: The proof file, as ``telemetry prove`` writes it.
        record: What the record says in the clear: id, type, time, source, producer, sequence.
        leaf: Hash of the record's value.
        path: The steps from there to the root.
        checkpoint: What was signed: size, root and time of the tree, and more.
        believed: The keys that signed it, and why each is believed.
    """

    file: bytes
    record: Mapping[str, str]
    leaf: bytes
    path: tuple[PathStep, ...]
    checkpoint: Mapping[str, str]
    believed: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOutcome:
    """What became of a proof.

    Attributes:
        event_id: The event.
        proof: The proof; None if there is none.
        reason: Why there is none; empty if there is one.
        is_altered: Whether what is on the trail is not what was signed; if False, something is missing.
    """

    event_id: str
    proof: CheckedProof | None = None
    reason: str = ""
    is_altered: bool = False

    @property
    def weight(self) -> int:
        """Bytes in memory, about."""
        return 0 if self.proof is None else 2 * len(self.proof.file) + _STEP_BYTES * len(self.proof.path)


class ProofWork:
    """The proof of one event; see :class:`telemetry.explorer.jobs.work.Work`.

    Args:
        source: The trail.
        event_id: UUIDv7 of the event.
        policy: Who may sign what.
    """

    needs = Right.SEALED
    is_shared = False

    def __init__(self, source: TrailSource, event_id: str, *, policy: TrustPolicy) -> None:
        self._source = source
        self._policy = policy
        self.event_id = event_id
        self.name = f"proof {event_id}"
        self.label = f"proving event {event_id}"
        self.title = f"Proof of event {event_id}"

    def run(self, progress: JobProgress) -> ProofOutcome:
        """Look for what proves the event, and check it.

        1. The proof is created from what is on the trail now.
        2. It is written, and read again: nothing of step 1 is trusted.
        3. Signature, names and path are checked, with the keys that are believed and nothing else.
        """
        # 1.
        (outcome,) = prove_events(
            self._source.config,
            [self.event_id],
            policy=self._policy.afresh(),
            progress=progress,
            file=self._source.file,
            place=self._source.archive,
        )
        if isinstance(outcome, UnprovenEvent):
            return self._unproven(outcome.error)
        try:
            # 2. and 3.
            return ProofOutcome(event_id=self.event_id, proof=self._checked(outcome.proof))
        except TelemetryError as exc:
            return self._unproven(exc)

    def _checked(self, proof: InclusionProof) -> CheckedProof:
        file = encode_proof(proof)
        policy = self._policy.afresh()
        proven = verify_proof(file, policy.candidates())
        believed = policy.require_believed(proven.signers, proven.checkpoint)
        if proven.message.attributes["id"] != self.event_id:
            message = f"the proof is of another event than {self.event_id}"
            raise TamperedError(message)
        leaf = leaf_hash(proven.value)
        return CheckedProof(
            file=file,
            record=_record_facts(proven),
            leaf=leaf,
            path=tuple(walk_path(leaf, index=proof.sequence, size=proven.checkpoint.size, path=proof.path)),
            checkpoint=_checkpoint_facts(proven),
            believed=believed,
        )

    def _unproven(self, error: TelemetryError) -> ProofOutcome:
        return ProofOutcome(event_id=self.event_id, reason=str(error), is_altered=means_altered(error))


def _record_facts(proven: ProvenRecord) -> dict[str, str]:
    attributes = proven.message.attributes
    facts = {name: str(attributes[name]) for name in ("id", "type", "time", "source", "producer", "sequence")}
    return facts | {"bytes of the sealed record": f"{len(proven.value):,}"}


def _checkpoint_facts(proven: ProvenRecord) -> dict[str, str]:
    checkpoint = proven.checkpoint
    facts = {
        "source": checkpoint.source,
        "producer": checkpoint.producer,
        "records in the signed tree": f"{checkpoint.size:,}",
        "root": checkpoint.root.hex(),
        "signed at": checkpoint.time,
    }
    facts |= {"logged through": checkpoint.via} if checkpoint.via is not None else {}
    return facts | ({"end of the stream": "yes, the last checkpoint"} if checkpoint.final else {})
