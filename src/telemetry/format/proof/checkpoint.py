"""Signs and reads checkpoints: how many records a producer has logged so far, and the root hash of their tree.

A checkpoint is a C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) inside a signed note. The note travels on the
topic in a record of its own, the checkpoint message (``checkpoint_message.py``).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.merkle import HASH_BYTES, Frontier, split_hashes
from telemetry.format.proof.signed_note import Note, PublicKey, Signer, open_note, parse_note, sign_note
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE

_ORIGIN = "telemetry"
_MAX_ORIGIN = 4_096
_MAX_EXTENSIONS = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", re.ASCII)


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
    extensions: tuple[str, ...] = ()

    @classmethod
    def of(  # noqa: D417 - the others are this class's own attributes
        cls, tree: Frontier, *, source: str, producer: str, time: str, final: bool = False, recovered: bool = False
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
        )

    @property
    def origin(self) -> str:
        """First line of the note; it names the producer."""
        return f"{_ORIGIN}{self.source}/{self.producer}"

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
    return "\n".join([*lines, *checkpoint.extensions]) + "\n"


def parse_text(text: str) -> Checkpoint:
    """Read the text of a checkpoint's note.

    Raises:
        FormatError: The text is not a checkpoint of this format.
        TamperedError: The frontier does not lead to the root hash.
    """
    lines = text.removesuffix("\n").split("\n")
    if not 4 <= len(lines) <= 3 + _MAX_EXTENSIONS or not all(lines):  # noqa: PLR2004 - three lines and the time
        message = "the checkpoint does not have origin, size, root and time"
        raise FormatError(message)
    source, producer = _parse_origin(lines[0])
    if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SEQUENCE + 1:
        message = "the checkpoint's tree size is not a number of records"
        raise FormatError(message)
    size, root = int(lines[1]), _decode_base64(lines[2], "root hash")
    if len(root) != HASH_BYTES:
        message = "the checkpoint's root hash is not 32 bytes long"
        raise FormatError(message)
    known, extensions = _sort_extensions(lines[3:])
    return Checkpoint(
        source=source,
        producer=producer,
        size=size,
        root=root,
        time=_parse_time(known.get("time", "")),
        final="final" in known,
        recovered="recovered" in known,
        frontier=_parse_frontier(known["frontier"], size, root) if "frontier" in known else None,
        extensions=extensions,
    )


def _parse_origin(origin: str) -> tuple[str, str]:
    head, _, producer = origin.rpartition("/")
    source = head.removeprefix(_ORIGIN)
    if len(origin) > _MAX_ORIGIN or head == source or not source.startswith("/") or not is_uuid(producer):
        message = "the checkpoint's origin is not telemetry/ENVIRONMENT/SERVICE/PRODUCER"
        raise FormatError(message)
    return source, producer


def _sort_extensions(lines: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    # A line that is known may occur once: with two, it would depend on the reader which one counts.
    known: dict[str, str] = {}
    unknown = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name not in ("time", "final", "recovered", "frontier"):
            unknown.append(line)
        elif name in known or (name in ("final", "recovered") and line != name):
            message = f"the checkpoint's line {name!r} is repeated or malformed"
            raise FormatError(message)
        else:
            known[name] = rest
    return known, tuple(unknown)


def _parse_time(time: str) -> str:
    if not _TIME.fullmatch(time):
        message = "the checkpoint's time is not RFC 3339 in UTC"
        raise FormatError(message)
    return time


def _parse_frontier(text: str, size: int, root: bytes) -> tuple[bytes, ...]:
    hashes = split_hashes(_decode_base64(text, "frontier"))
    if not hmac.compare_digest(Frontier(size, hashes).root(), root):
        message = "the checkpoint's frontier does not lead to its root hash"
        raise TamperedError(message)
    return tuple(hashes)


def _decode_base64(text: str, part: str) -> bytes:
    data = canonical_base64.decode(text)
    if data is None:
        message = f"the checkpoint's {part} is not base64 in its canonical form"
        raise FormatError(message)
    return data
