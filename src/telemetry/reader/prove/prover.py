"""Creates the inclusion proof of one record while a trail is read."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import SourceRecord
from telemetry.reader.prove.batch_prover import BatchProver
from telemetry.reader.prove.find import ClaimedPosition
from telemetry.reader.trust.judgement import Judgement
from telemetry.reader.trust.policy import TrustPolicy


class Prover:
    """Collects what the proof of a record needs: the checkpoints on both sides of it, and the records between them.

    Args:
        producer: Stream of the record.
        sequence: Sequence of the record.
        trusted: Who may sign what; or public keys that may have signed.
        source: Source of the record: what was signed for another one proves nothing. None for any.

    Attributes:
        believed: The keys that signed the checkpoint of the proof, and why each is believed; empty before the proof.
    """

    def __init__(
        self,
        producer: str,
        sequence: int,
        *,
        trusted: TrustPolicy | Iterable[PublicKey],
        source: str | None = None,
    ) -> None:
        self.believed: tuple[Judgement, ...] = ()
        self._position = ClaimedPosition(producer, source, sequence, is_trusted=True)
        self._batch = BatchProver([self._position], trusted=trusted)

    def observe(self, record: SourceRecord) -> None:
        """Observe a record of any source; those of other producers are skipped."""
        self._batch.observe(record)

    def observe_all(self, records: Iterable[SourceRecord]) -> None:
        """Observe every record of a source."""
        self._batch.observe_all(records)

    def require_signed(self, leaf: bytes) -> None:
        """Check a leaf hash, which is all that is left of the record; see :meth:`StreamProver.require_signed`."""
        self._batch.require_signed(self._position, leaf)

    def proof(self) -> InclusionProof:
        """Return the proof.

        Raises:
            IncompleteError: The record, a checkpoint that covers it, or a record between the checkpoints is missing.
            TamperedError: The records are not those that were signed.
        """
        proof, self.believed = self._batch.proof(self._position)
        return proof
