from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.cli.options.trust import trust_policy
from telemetry.evidence.pack.keys import MAX_KEYS, PackKeys, decode_keys, encode_keys
from telemetry.exceptions import ConfigurationError, FormatError
from tests.support.written_trail import Signer

KEYS = [Signer(number, f"key-{number}").public for number in range(1, 5)]


def test_keys_come_back_with_their_uses() -> None:
    keys = PackKeys(auditors=(KEYS[0],), signers=(KEYS[2], KEYS[1]), witnesses=(KEYS[3],))
    assert decode_keys(encode_keys(keys)) == PackKeys(
        auditors=(KEYS[0],), signers=(KEYS[1], KEYS[2]), witnesses=(KEYS[3],)
    )
    assert len(keys) == 4


def test_pack_without_keys() -> None:
    assert decode_keys(encode_keys(PackKeys())) == PackKeys()


def test_list_is_no_list_of_trusted_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes(encode_keys(PackKeys(auditors=(KEYS[0],))))
    file.chmod(0o600)
    with pytest.raises(ConfigurationError):
        trust_policy([str(file)], None)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\n",
        b"signer",
        b"signer \n",
        b"friend %b\n" % str(KEYS[0]).encode(),
        b"\n",
        b"x\n" * (MAX_KEYS + 1),
        b"x" * 3_000_000,
    ],
)
def test_rubbish_is_no_list(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_keys(data)
