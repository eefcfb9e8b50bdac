"""Signs the checkpoints of a stream that this process carries for another service."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner


class StreamSigner:
    """Signs with the process's key, under the source of the service.

    Args:
        signer: Signs for the process.
        source: CloudEvents source of the stream.

    Attributes:
        most_events: So many events may be since the checkpoint before.
    """

    def __init__(self, signer: CheckpointSigner, *, source: str) -> None:
        self._signer = signer
        self._source = source
        self.most_events = signer.most_events

    def parts(self, state: TreeState) -> Sequence[TreeState]:
        """Return what each of the next checkpoints has to sign, up to ``state``."""
        return self._signer.parts(state)

    def sign(self, part: TreeState, *, at: int, final: bool = False) -> SealedRecord:
        """Return a checkpoint of the stream's tree; ``at`` is its time in microseconds since the epoch."""
        return self._signer.sign(part, at=at, final=final, source=self._source)
