from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.cli.options.public_keys import trusted_keys
from telemetry.exceptions import ConfigurationError
from tests.support.written_trail import Signer

FIRST, SECOND = Signer(1, "first").public_key, Signer(2, "second").public_key


def test_keys_and_files_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "audit.pub"
    file.write_text(f"{SECOND}\n\n")

    assert [key.name for key in trusted_keys([FIRST, str(file)])] == ["first", "second"]


def test_no_key_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="--public-key: is missing"):
        trusted_keys([])


@pytest.mark.parametrize("content", [b"not a key\n", b"\xff\n"])
def test_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit.pub"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="is not a public key"):
        trusted_keys([FIRST, str(file)])
