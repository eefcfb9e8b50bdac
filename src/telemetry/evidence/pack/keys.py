"""Encodes and reads the public keys inside a pack: material to compare, and no reason to believe anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.exceptions import FormatError
from telemetry.format.proof.signed_note import PublicKey

MAX_KEYS = 2_000

_MAX_BYTES = 2 << 20
_AUDITOR, _SIGNER, _WITNESS = "auditor", "signer", "witness"
_WORDS = (_AUDITOR, _SIGNER, _WITNESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackKeys:
    """The keys whose signatures are in a pack.

    Attributes:
        auditors: Keys that signed the manifest.
        signers: Keys that signed checkpoints.
        witnesses: Keys that signed rosters.
    """

    auditors: tuple[PublicKey, ...] = ()
    signers: tuple[PublicKey, ...] = ()
    witnesses: tuple[PublicKey, ...] = ()

    def __len__(self) -> int:
        return len({*self.auditors, *self.signers, *self.witnesses})


def encode_keys(keys: PackKeys) -> bytes:
    """Return the file: a line for each key with its use, so that no command takes it for a list of trusted keys."""
    uses = ((_AUDITOR, keys.auditors), (_SIGNER, keys.signers), (_WITNESS, keys.witnesses))
    return "".join(f"{use} {key}\n" for use, found in uses for key in _sorted(found)).encode()


def decode_keys(data: bytes) -> PackKeys:
    """Read the file.

    Raises:
        FormatError: The bytes are not a list of keys in this form.
    """
    try:
        lines = data.decode().split("\n") if len(data) <= _MAX_BYTES else []
    except UnicodeDecodeError:
        lines = []
    if not lines or lines.pop() or len(lines) > MAX_KEYS:
        message = f"it is not a list of at most {MAX_KEYS:,} keys with their uses"
        raise FormatError(message)
    found: dict[str, list[PublicKey]] = {word: [] for word in _WORDS}
    for line in lines:
        use, _, key = line.partition(" ")
        if use not in found:
            message = f"it has {use[:20]!r} where the use of a key is expected"
            raise FormatError(message)
        found[use].append(PublicKey.parse(key))
    return PackKeys(auditors=tuple(found[_AUDITOR]), signers=tuple(found[_SIGNER]), witnesses=tuple(found[_WITNESS]))


def _sorted(keys: Iterable[PublicKey]) -> list[PublicKey]:
    return sorted(set(keys), key=str)
