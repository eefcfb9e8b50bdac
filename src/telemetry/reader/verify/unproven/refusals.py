"""Keeps the checkpoints of keys that are known and may not sign them, and says what they mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import Finding, Verdict

MAX_PRODUCERS = 10_000
MAX_OF_PRODUCER = 16
_MAX_REASONS = 1_000


class Refusal(NamedTuple):
    """A checkpoint that a known key signed which may not sign it.

    Attributes:
        checkpoint: The checkpoint.
        signer: Label of the key.
        reason: Why it may not sign this.
        place: Place of the record.
    """

    checkpoint: Checkpoint
    signer: str
    reason: str
    place: Place


class Refusals:
    """The refused checkpoints of one verification.

    Only the holder of a known key can write them, so each one matters: it is a stolen key, a key that has ended, or a
    service whose rights are not in the trust file yet.
    """

    def __init__(self) -> None:
        self._by_producer: dict[str, list[Refusal]] = {}

    def add(self, refusal: Refusal) -> None:
        """Keep a refused checkpoint; a copy is kept once."""
        producer = refusal.checkpoint.producer
        if producer not in self._by_producer and len(self._by_producer) >= MAX_PRODUCERS:
            return
        kept = self._by_producer.setdefault(producer, [])
        if len(kept) < MAX_OF_PRODUCER and all(refusal[:2] != other[:2] for other in kept):
            kept.append(refusal)

    def join(self, other: Refusals) -> None:
        """Add the refused checkpoints of another share of the trail."""
        for refusals in other._by_producer.values():
            for refusal in refusals:
                self.add(refusal)

    def touching(self, stream: StreamName, tree: StreamTree, trusted: TrustedCheckpoints) -> Iterator[Finding]:
        """Yield the refused checkpoints that contradict, close or extend a trusted stream.

        Args:
            stream: The stream.
            tree: Its tree.
            trusted: Its checkpoints.
        """
        for refusal in self._by_producer.get(stream.producer, ()):
            checkpoint, root = refusal.checkpoint, tree.signed.roots.get(refusal.checkpoint.size)
            if _stream_of(refusal) != stream:
                continue
            if checkpoint.is_closing and trusted.closing is None:
                what = "ends"
            elif root is not None and root != checkpoint.root:
                what = "contradicts"
            elif checkpoint.size > trusted.size:
                what = "extends"
            else:
                continue
            reason = (
                f"a checkpoint of {checkpoint.size} records that {what} this stream is signed by {refusal.signer}, "
                f"which may not sign it: {refusal.reason}"
            )
            yield Finding(Verdict.TAMPERED, reason, place=str(refusal.place), field="signature")

    def beside(self, trusted: Collection[StreamName]) -> Iterator[Finding]:
        """Yield the refused checkpoints that name a producer of a trusted stream, and another source than that stream.

        Args:
            trusted: The streams for which a key that is believed has signed.
        """
        producers = {name.producer for name in trusted}
        for producer in self._by_producer.keys() & producers:
            for refusal in self._by_producer[producer]:
                if _stream_of(refusal) not in trusted:
                    reason = (
                        f"a checkpoint under the id of producer {producer} names {refusal.checkpoint.source}, which the "
                        f"process is not of; {refusal.signer} signed it and may not: {refusal.reason}"
                    )
                    yield Finding(Verdict.TAMPERED, reason, place=str(refusal.place), field="signature")

    def elsewhere(self, trusted: Iterable[StreamName]) -> Iterator[Finding]:
        """Yield a finding for each reason why keys may not sign for producers that nobody else has signed for."""
        found: defaultdict[tuple[str, str, str], list[Refusal]] = defaultdict(list)
        known = {name.producer for name in trusted}
        for producer, refusals in self._by_producer.items():
            if producer in known:
                continue
            for refusal in refusals:
                name = refusal.signer, refusal.checkpoint.source, refusal.reason
                if name in found or len(found) < _MAX_REASONS:
                    found[name].append(refusal)
        for (signer, source, reason), refusals in found.items():
            producers = len({refusal.checkpoint.producer for refusal in refusals})
            count = "1 producer" if producers == 1 else f"{producers} producers"
            text = f"{signer} signed for {count} of {source} and is not believed, so nothing proves their records: {reason}"
            yield Finding(Verdict.UNVERIFIABLE, text, place=str(refusals[0].place), field="signature")

    def count(self) -> int:
        """Return how many refused checkpoints are kept."""
        return sum(map(len, self._by_producer.values()))


def _stream_of(refusal: Refusal) -> StreamName:
    return StreamName.of(refusal.checkpoint.producer, refusal.checkpoint.source)
