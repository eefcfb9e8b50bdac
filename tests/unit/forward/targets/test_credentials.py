"""Tokens and headers come from files that nobody else may write, and are read again when they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.forward.targets.credentials import Credentials


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_token_and_header(tmp_path: Path) -> None:
    token, header = written(tmp_path / "token", "abc\n"), written(tmp_path / "header", "X-Api-Key: d e\n")
    credentials = Credentials(token=token, header=header)

    assert credentials.headers() == {"Authorization": "Bearer abc", "X-Api-Key": "d e"}
    assert "abc" not in repr(vars(credentials))
    assert not credentials.renew()
    token.write_text("new")
    assert credentials.renew()
    assert credentials.headers()["Authorization"] == "Bearer new"
    token.write_text("")
    assert not credentials.renew()


@pytest.mark.parametrize("text", ["", "a b", "a\x00b", "ü"])
def test_token_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="--token-file") as caught:
        Credentials(token=written(tmp_path / "token", text))
    assert text == "" or text not in str(caught.value)


@pytest.mark.parametrize("text", ["x", "X-Key:", "Content-Length: 3", "A b: c", "X: a\rHost: b", "Host: evil"])
def test_header_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="--header-file"):
        Credentials(header=written(tmp_path / "header", text))


def test_file_of_others_is_refused(tmp_path: Path) -> None:
    token = written(tmp_path / "token", "abc")
    token.chmod(0o666)
    with pytest.raises(ConfigurationError, match="--token-file"):
        Credentials(token=token)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Credentials(token=tmp_path / "absent")
