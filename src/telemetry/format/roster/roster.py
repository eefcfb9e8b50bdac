"""Signs, encodes and decodes rosters: the new leaves of a witness's log, and the signed note of the log with them.

The note is a C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) of the log, so that any witness of the transparency
ecosystem can cosign it. The tree before and the new leaves must lead to the signed root: that also proves that the log only
grew (RFC 6962 section 2.1).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint_text import decode_base64, parse_size, parse_time
from telemetry.format.proof.merkle import HASH_BYTES, Frontier, leaf_hash, split_hashes
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, Note, PublicKey, Signer, parse_note, sign_note
from telemetry.format.roster.entries import require_leaf

ORIGIN = "telemetry-witness/"
MAX_ENTRIES = 2_000
"""Leaves of one roster; more of them make several rosters."""
MAX_ENTRIES_BYTES = 512 << 10
"""Bytes of their texts, so that the roster fits into a record of a topic with Kafka's default limit of 1 MB."""
MAX_ROSTER_BYTES = 1 << 20
MAX_TIMESTAMP_BYTES = 32 << 10
"""Bytes of the answer of a time-stamping authority, its certificates included."""

_FORMAT = "telemetry-roster"
_VERSION = 1
_MAX_LINES = 67
_FIXED_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The log of a witness at one moment, and its leaves since the roster before.

    Attributes:
        origin: Name of the log: ``telemetry-witness/NAME``.
        start: Size of the log at the roster before.
        before: Roots of the complete subtrees of the log at ``start``, largest first.
        entries: Texts of the leaves from ``start`` on.
        root: Root hash of the log with them.
        time: When it was signed, RFC 3339 in UTC.
        note: The signed note.
        timestamp: Answer of a time-stamping authority to a request for the note (``TimeStampResp`` of RFC 3161 section
            2.4.2); empty without one.
    """

    origin: str
    start: int
    before: tuple[bytes, ...]
    entries: tuple[str, ...]
    root: bytes
    time: str
    note: str
    timestamp: bytes = b""

    @property
    def size(self) -> int:
        """Size of the log with the new leaves."""
        return self.start + len(self.entries)

    @property
    def name(self) -> str:
        """Name of its object: the log can be continued from each size once."""
        return f"{self.start:020d}.roster"

    def tree_before(self) -> Frontier:
        """Return the tree of the log before its new leaves."""
        return Frontier(self.start, self.before)

    def tree(self) -> Frontier:
        """Return the tree of the log with its new leaves; it can be extended."""
        return _extended(self.tree_before(), self.entries)

    def with_timestamp(self, answer: bytes) -> Roster:
        """Return the roster with the answer of a time-stamping authority."""
        return replace(self, timestamp=answer)


class _Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The roster as JSON."""

    format: str
    version: int
    start: int
    frontier: str
    leaves: list[str]
    note: str
    timestamp: str = ""


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_Document)


def origin_of(name: str) -> str:
    """Return the origin of the log that a key of this name signs."""
    return name if name.startswith(ORIGIN) else f"{ORIGIN}{name}"


def sign_roster(before: Frontier, entries: Sequence[str], *, time: str, signer: Signer) -> Roster:
    """Return the roster that continues a log.

    Args:
        before: The log so far; it is not changed.
        entries: Texts of the new leaves, at least one.
        time: When it is signed, RFC 3339 in UTC; later than that of the roster before.
        signer: Signs it.

    Raises:
        FormatError: The format cannot carry it.
    """
    _require_entries(entries)
    tree = _extended(before, entries)
    origin = origin_of(signer.name)
    lines = [origin, str(tree.size), canonical_base64.encode(tree.root()), f"time {parse_time(time)}"]
    lines.append(f"frontier {canonical_base64.encode(b''.join(tree.roots))}")
    return Roster(
        origin=origin,
        start=before.size,
        before=before.roots,
        entries=tuple(entries),
        root=tree.root(),
        time=time,
        note=sign_note("\n".join(lines) + "\n", signer),
    )


def encode_roster(roster: Roster) -> bytes:
    """Return the roster as it is published, in the canonical form."""
    return _encode(
        _Document(
            format=_FORMAT,
            version=_VERSION,
            start=roster.start,
            frontier=canonical_base64.encode(b"".join(roster.before)),
            leaves=list(roster.entries),
            note=roster.note,
            timestamp=canonical_base64.encode(roster.timestamp),
        )
    )


def decode_roster(data: bytes) -> Roster:
    """Return a roster whose leaves lead to the root of its note; who signed the note is not verified.

    1. It is in the one form of this version.
    2. Its note is a checkpoint of the log of a witness, and its size that of the log before and the leaves.
    3. The log before, extended by the leaves, has the note's root.

    Raises:
        FormatError: Step 1 or 2 fails.
        TamperedError: Step 3 fails.
    """
    # 1.
    document = _decode(data)
    _require_entries(document.leaves)
    before = Frontier(document.start, split_hashes(_packed(document.frontier)))
    # 2.
    origin, size, root, time = _parse_text(parse_note(document.note).text)
    if size != document.start + len(document.leaves):
        message = "the roster has another number of leaves than its note says"
        raise FormatError(message)
    # 3.
    if not hmac.compare_digest(_extended(before, document.leaves).root(), root):
        message = "the leaves of the roster do not lead to the root hash in its note"
        raise TamperedError(message)
    return Roster(
        origin=origin,
        start=document.start,
        before=before.roots,
        entries=tuple(document.leaves),
        root=root,
        time=time,
        note=document.note,
        timestamp=decode_base64(document.timestamp, "timestamp"),
    )


def begins_at(data: bytes, start: int) -> bool:
    """Return whether a document says that it continues the log at a size; nothing else of it is looked at."""
    return data.startswith(b'{"format":"%b","version":%d,"start":%d,' % (_FORMAT.encode(), _VERSION, start))


def is_signed_by(roster: Roster, key: PublicKey) -> bool:
    """Return whether a key signed the note of a roster, and its log is that key's."""
    note: Note = parse_note(roster.note)
    lines = (line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id))
    text = note.text.encode()
    return roster.origin == origin_of(key.name) and any(key.verify(text, line.signature) for line in lines)


def _decode(data: bytes) -> _Document:
    try:
        document = _decoder.decode(data) if len(data) <= MAX_ROSTER_BYTES else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if (
        document is None
        or (document.format, document.version) != (_FORMAT, _VERSION)
        or not 0 <= document.start < 1 << 63
        or len(document.note) > MAX_NOTE_BYTES
        or len(document.timestamp) > 4 * (MAX_TIMESTAMP_BYTES // 3 + 1)
        or _encode(document) != data
    ):
        message = f"this is not a roster of version {_VERSION}"
        raise FormatError(message)
    return document


def _parse_text(text: str) -> tuple[str, int, bytes, str]:
    lines = text.removesuffix("\n").split("\n")
    if not _FIXED_LINES < len(lines) <= _MAX_LINES or not all(lines) or not lines[0].startswith(ORIGIN):
        message = "the note of the roster is not the checkpoint of a witness's log"
        raise FormatError(message)
    times = [line.removeprefix("time ") for line in lines[_FIXED_LINES:] if line.startswith("time ")]
    root = decode_base64(lines[2], "root hash")
    if len(times) != 1 or len(root) != HASH_BYTES:
        message = "the note of the roster has no root hash of 32 bytes, or not one time"
        raise FormatError(message)
    return lines[0], parse_size(lines[1]), root, parse_time(times[0])


def _require_entries(entries: Sequence[str]) -> None:
    if not 0 < len(entries) <= MAX_ENTRIES or sum(map(len, entries)) > MAX_ENTRIES_BYTES:
        message = f"a roster has 1 to {MAX_ENTRIES} leaves of together at most {MAX_ENTRIES_BYTES} characters"
        raise FormatError(message)
    for entry in entries:
        require_leaf(entry)


def _packed(text: str) -> bytes:
    packed = decode_base64(text, "frontier")
    if len(packed) % HASH_BYTES:
        message = "the frontier of the roster is not made of hashes"
        raise FormatError(message)
    return packed


def _extended(before: Frontier, entries: Sequence[str]) -> Frontier:
    tree = before.copy()
    tree.extend(leaf_hash(entry.encode()) for entry in entries)
    return tree
