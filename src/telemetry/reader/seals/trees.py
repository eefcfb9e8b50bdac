"""Compares the checkpoints and the roster that seals name with those in the archive: a producer that was removed is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from telemetry.format import canonical_base64
from telemetry.format.archive.seal import SealedStream
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.verify.verdicts import Finding, Verdict

_UUID_BYTES = 16
_SIGNER_BYTES = 4
_NUMBER_BYTES = 8


class _Tree(NamedTuple):
    size: int
    root: bytes
    number: int


class SealedTrees:
    """The largest tree of each stream and key that the seals name, until it is seen among the checkpoints.

    Every checkpoint counts, also one that nobody believes: anyone who may write to the topic can have made the archiver
    seal one, and it is in the archive then. An archive of years has many producers, so each one takes 280 bytes.
    """

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._names: list[str] = []
        self._trees: dict[bytes, bytes] = {}
        # Digest of the newest roster that a seal names, and number of that seal.
        self._roster: tuple[str, int] | None = None

    def __len__(self) -> int:
        return len(self._trees)

    def add(self, stream: SealedStream, number: int) -> None:
        """Add what a seal names.

        Args:
            stream: A stream of the seal.
            number: Number of the seal.
        """
        root = canonical_base64.decode(stream.root) or b""
        key = self._key(stream.source, stream.producer, stream.signer)
        before = self._trees.get(key)
        # Of one size the largest root counts, as for the archiver: anyone who may write to the topic can have named
        # many roots for one size, and a verifier that keeps the largest trees has to have this one among them.
        if before is None or _unpacked(before)[:2] <= (stream.size, root):
            self._trees[key] = _packed(_Tree(stream.size, root, number))

    def add_roster(self, digest: str, number: int) -> None:
        """Add the roster that a seal names.

        Args:
            digest: SHA-256 of the value of its record, in hexadecimal; empty for none.
            number: Number of the seal.
        """
        if digest:
            self._roster = digest, number

    def saw_roster(self, digest: str) -> None:
        """Remember that the archive has a roster; the digest is that of its record's value, in hexadecimal."""
        if self._roster is not None and self._roster[0] == digest:
            self._roster = None

    def saw(self, *, source: str, producer: str, size: int, root: bytes, signer: str) -> None:
        """Remember that the archive has a checkpoint.

        Args:
            source: Source of its stream.
            producer: UUIDv7 of its producer.
            size: Number of records in its tree.
            root: Root hash of its tree.
            signer: Id of the key in its first signature line, 8 hexadecimal digits.
        """
        key = self._key(source, producer, signer)
        wanted = self._trees.get(key)
        if wanted is not None and _unpacked(wanted)[:2] == (size, root):
            del self._trees[key]

    def findings(self) -> Iterator[Finding]:
        """Yield the trees and the roster that seals name and that the archive has not."""
        if self._roster is not None:
            digest, number = self._roster
            reason = f"{seal_name(number)} names a roster ({digest[:16]}…) that is not in the archive: it was removed"
            yield Finding(Verdict.MISSING, reason, place=seal_name(number), field="roster")
        for key, packed in self._trees.items():
            tree = _unpacked(packed)
            source = self._names[int.from_bytes(key[_UUID_BYTES + _SIGNER_BYTES :])]
            producer, signer = UUID(bytes=key[:_UUID_BYTES]), key[_UUID_BYTES:][:_SIGNER_BYTES].hex()
            reason = (
                f"{seal_name(tree.number)} names a checkpoint of {tree.size} records of {producer} ({source}) with a "
                f"signature of the key {signer}, and the archive has no such checkpoint: it was removed after it was archived"
            )
            last = tree.size - 1 if tree.size else None
            yield Finding(
                Verdict.MISSING, reason, None if last is None else 0, last, seal_name(tree.number), "root", exact=False
            )

    def _key(self, source: str, producer: str, signer: str) -> bytes:
        number = self._sources.get(source)
        if number is None:
            number = self._sources[source] = len(self._names)
            self._names.append(source)
        return UUID(producer).bytes + bytes.fromhex(signer) + number.to_bytes(4)


def _packed(tree: _Tree) -> bytes:
    return tree.size.to_bytes(_NUMBER_BYTES) + tree.number.to_bytes(_NUMBER_BYTES) + tree.root


def _unpacked(data: bytes) -> _Tree:
    size, number = data[:_NUMBER_BYTES], data[_NUMBER_BYTES : 2 * _NUMBER_BYTES]
    return _Tree(int.from_bytes(size), data[2 * _NUMBER_BYTES :], int.from_bytes(number))
