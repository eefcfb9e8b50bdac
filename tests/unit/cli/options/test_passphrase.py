from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.cli.options.passphrase import read_passphrase
from telemetry.exceptions import ConfigurationError


def test_first_line_without_its_end(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b" two words \r\nsecond line\n")

    assert read_passphrase(file) == " two words "


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\nsecond", "is empty"), (b"x" * 5_000, "is too long"), (b"\xff\n", "cannot be read")]
)
def test_unusable_content_is_not_shown(content: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_passphrase(file)

    assert str(file) in str(caught.value)
    assert "xxx" not in str(caught.value)
