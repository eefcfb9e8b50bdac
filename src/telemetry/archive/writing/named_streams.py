"""Remembers the largest signed tree of each stream among the checkpoints of a commit."""

from __future__ import annotations

from telemetry.exceptions import TelemetryError
from telemetry.format import canonical_base64
from telemetry.format.archive.seal import MAX_STREAMS, SealedStream
from telemetry.format.archive.seal_form import is_stream
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message

_MOST_BYTES = 4 << 20
"""Bytes of them in a seal: the text of a source can be long, and anyone who may write to the topic can invent some."""
_STREAM_BYTES = 250


class NamedStreams:
    """The largest tree of each stream and key; who signed was not verified, and need not be.

    A seal says that such a checkpoint was there, so that nobody can remove it, or its whole stream, unnoticed. A forged one is
    in the archive too, and counts apart, because it names another key.
    """

    def __init__(self) -> None:
        self._largest: dict[tuple[str, str, str], SealedStream] = {}
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether a seal would have no room for many more."""
        return len(self._largest) >= MAX_STREAMS or self._size >= _MOST_BYTES

    def add(self, value: bytes) -> None:
        """Note the checkpoint of a record; one that cannot be read is passed over.

        Args:
            value: The record's value.
        """
        try:
            message = decode_checkpoint_message(value)
            if message is None:
                return
            note, checkpoint = read_unverified(message.data)
        except TelemetryError:
            return
        signer = note.signatures[0].key_id.hex()
        key = checkpoint.source, checkpoint.producer, signer
        known = self._largest.get(key)
        # Of several trees of one size the one with the largest root: verifiers must come to the same one.
        if known is not None and _rank(known) >= (checkpoint.size, checkpoint.root, checkpoint.is_closing):
            return
        stream = SealedStream(
            source=checkpoint.source,
            producer=checkpoint.producer,
            size=checkpoint.size,
            root=canonical_base64.encode(checkpoint.root),
            signer=signer,
            final=checkpoint.is_closing,
        )
        if not is_stream(stream):
            return
        self._size += _STREAM_BYTES + len(stream.source) if known is None else 0
        self._largest[key] = stream

    def largest(self) -> tuple[SealedStream, ...]:
        """Return the largest trees, sorted by source, producer and key."""
        return tuple(self._largest[key] for key in sorted(self._largest))


def _rank(stream: SealedStream) -> tuple[int, bytes, bool]:
    return stream.size, canonical_base64.decode(stream.root) or b"", stream.final
