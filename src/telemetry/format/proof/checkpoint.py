"""Signs and reads checkpoints: how many records a producer has logged so far, and the root hash of their tree.

A checkpoint is a C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) inside a signed note. The note travels on the
topic in a record of its own, the checkpoint message (``checkpoint_message.py``).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint_text import (
    Lines,
    decode_base64,
    origin_of,
    parse_size,
    parse_time,
    parse_topic,
    parse_via,
    split_lines,
)
from telemetry.format.proof.key_span import KeySpan, require_cover
from telemetry.format.proof.merkle import Frontier, split_hashes
from telemetry.format.proof.relayed_runs import Run, parse_runs, render_runs
from telemetry.format.proof.signed_note import Note, PublicKey, Signer, open_note, parse_note, sign_note


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a producer's tree at one moment.

    Attributes:
        source: CloudEvents source of the producer's events.
        producer: UUIDv7 of the producer.
        size: Number of its records.
        root: Root hash of the tree over them.
        time: When the checkpoint was created, RFC 3339 in UTC.
        final: The stream ends here.
        recovered: Signed by the process that adopted the spool of a dead one; the stream ends here.
        frontier: Roots of the complete subtrees, largest first. A verifier can begin at this checkpoint, so that a lost
            or altered record does not make everything after it unprovable.
        topic: Kafka topic that it was written for; None in version 1.
        interval: Size of the producer's checkpoint before this one; the records from there up to ``size`` are this one's
            interval. None in version 1, and where the size before is not known.
        keys: Data keys that sealed the records of the interval, in order; empty where they are in the clear, and where
            the interval is not known.
        relayed: Records of the interval that other processes have sealed for an outbox, in runs. Their data keys belong to no
            process, and they may be older than the producer.
        old_copy: Records of an older copy of the spool segment, which somebody had put back and for which the end was
            signed once more; None where there was none.
        via: Source of the gateway that logged the events for the service, such as ``/production/gateway``; None where the
            service logged them itself.
        extensions: Extension lines that this version does not know, unchanged.
    """

    source: str
    producer: str
    size: int
    root: bytes
    time: str
    final: bool = False
    recovered: bool = False
    frontier: tuple[bytes, ...] | None = None
    topic: str | None = None
    interval: int | None = None
    keys: tuple[KeySpan, ...] = ()
    relayed: tuple[Run, ...] = ()
    old_copy: int | None = None
    via: str | None = None
    extensions: tuple[str, ...] = ()

    @classmethod
    def of(  # noqa: D417 - the others are this class's own attributes
        cls,
        tree: Frontier,
        *,
        source: str,
        producer: str,
        time: str,
        final: bool = False,
        recovered: bool = False,
        topic: str | None = None,
        interval: int | None = None,
        keys: tuple[KeySpan, ...] = (),
        relayed: tuple[Run, ...] = (),
        via: str | None = None,
    ) -> Checkpoint:
        """Return the checkpoint of a tree in its present state.

        Args:
            tree: The producer's tree.
        """
        return cls(
            source=source,
            producer=producer,
            size=tree.size,
            root=tree.root(),
            time=time,
            final=final,
            recovered=recovered,
            frontier=tree.roots,
            topic=topic,
            interval=interval,
            keys=keys,
            relayed=relayed,
            via=via,
        )

    @property
    def origin(self) -> str:
        """First line of the note; it names the producer."""
        return origin_of(self.source, self.producer)

    @property
    def is_closing(self) -> bool:
        """Whether the stream ends here."""
        return self.final or self.recovered

    def tree(self) -> Frontier | None:
        """Return a tree that can be extended from here; None if the checkpoint has no frontier."""
        return None if self.frontier is None else Frontier(self.size, self.frontier)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the signed note of a checkpoint.

    Raises:
        FormatError: The format cannot carry the checkpoint; for instance, its producer is not a UUID.
    """
    text = render_text(checkpoint)
    # Read back first: a signature under a text that means something else could not be taken back.
    if parse_text(text) != checkpoint:
        message = "the checkpoint has values that its format cannot carry"
        raise FormatError(message)
    return sign_note(text, signer)


def open_checkpoint(note: str, trusted: Sequence[PublicKey]) -> Checkpoint:
    """Return the checkpoint that a trusted key signed.

    Raises:
        FormatError: The note is not a checkpoint.
        TamperedError: No trusted key signed it, or it was altered.
    """
    return parse_text(open_note(note, trusted))


def read_unverified(note: str) -> tuple[Note, Checkpoint]:
    """Return note and checkpoint without verifying a signature.

    Raises:
        FormatError: The note is not a checkpoint.
    """
    parsed = parse_note(note)
    return parsed, parse_text(parsed.text)


def render_text(checkpoint: Checkpoint) -> str:
    """Return the text that is signed."""
    lines = [
        checkpoint.origin,
        str(checkpoint.size),
        canonical_base64.encode(checkpoint.root),
        f"time {checkpoint.time}",
    ]
    if checkpoint.final:
        lines.append("final")
    if checkpoint.recovered:
        lines.append("recovered")
    if checkpoint.frontier is not None:
        lines.append(f"frontier {canonical_base64.encode(b''.join(checkpoint.frontier))}".rstrip())
    if checkpoint.topic is not None:
        lines.append(f"topic {checkpoint.topic}")
    if checkpoint.interval is not None:
        lines.append(f"interval {checkpoint.interval}")
    lines += [f"key {span}" for span in checkpoint.keys]
    if checkpoint.relayed:
        lines.append(f"relayed {render_runs(checkpoint.relayed)}")
    if checkpoint.old_copy is not None:
        lines.append(f"old-copy {checkpoint.old_copy}")
    if checkpoint.via is not None:
        lines.append(f"via {checkpoint.via}")
    return "\n".join([*lines, *checkpoint.extensions]) + "\n"


def parse_text(text: str) -> Checkpoint:
    """Read the text of a checkpoint's note.

    Raises:
        FormatError: The text is not a checkpoint of this format.
        TamperedError: The frontier does not lead to the root hash.
    """
    lines = split_lines(text)
    known, size, root = lines.known, lines.size, lines.root
    interval = _parse_interval(lines)
    return Checkpoint(
        source=lines.source,
        producer=lines.producer,
        size=size,
        root=root,
        time=parse_time(known.get("time", "")),
        final="final" in known,
        recovered="recovered" in known,
        frontier=_parse_frontier(known["frontier"], size, root) if "frontier" in known else None,
        topic=parse_topic(known["topic"]) if "topic" in known else None,
        interval=interval,
        keys=lines.keys,
        relayed=_parse_relayed(lines, interval),
        old_copy=_parse_old_copy(lines),
        via=_parse_via(lines),
        extensions=lines.unknown,
    )


def _parse_interval(lines: Lines) -> int | None:
    known = lines.known
    if "interval" not in known:
        if lines.keys:
            message = "the checkpoint names data keys and not the interval in which they were used"
            raise FormatError(message)
        return None
    start = parse_size(known["interval"])
    if start > lines.size or "topic" not in known:
        message = "the checkpoint's interval begins after its end, or has no topic"
        raise FormatError(message)
    require_cover(lines.keys, start, lines.size)
    return start


def _parse_relayed(lines: Lines, interval: int | None) -> tuple[Run, ...]:
    if "relayed" not in lines.known:
        return ()
    if interval is None:
        message = "the checkpoint names relayed records and not the interval in which they are"
        raise FormatError(message)
    return parse_runs(lines.known["relayed"], interval, lines.size)


def _parse_old_copy(lines: Lines) -> int | None:
    if "old-copy" not in lines.known:
        return None
    size = parse_size(lines.known["old-copy"])
    if size >= lines.size or "recovered" not in lines.known or "topic" not in lines.known:
        message = "the checkpoint names an old copy that has all its records, or that no recovery found"
        raise FormatError(message)
    return size


def _parse_via(lines: Lines) -> str | None:
    if "via" not in lines.known:
        return None
    via = parse_via(lines.known["via"])
    if via == lines.source or "topic" not in lines.known:
        message = "the checkpoint names its own service as the gateway, or has a gateway and no topic"
        raise FormatError(message)
    return via


def _parse_frontier(text: str, size: int, root: bytes) -> tuple[bytes, ...]:
    hashes = split_hashes(decode_base64(text, "frontier"))
    if not hmac.compare_digest(Frontier(size, hashes).root(), root):
        message = "the checkpoint's frontier does not lead to its root hash"
        raise TamperedError(message)
    return tuple(hashes)
