from __future__ import annotations

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.gateway.server.address import read_address


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("https://0.0.0.0:4318", False),
        ("https://[::]:4318", False),
        ("http://127.0.0.1:0", True),
        ("http://[::1]:4318", True),
        ("http://localhost:4318", True),
        ("http://gateway.example:4318", False),
        ("unix:/run/telemetry/gateway.sock", True),
    ],
)
def test_an_address_is_what_the_text_says(text: str, is_local: bool) -> None:
    address = read_address(text)

    assert str(address) == text
    assert address.is_local is is_local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:4318",
        "https://",
        "https://host",
        "https://host:port",
        "https://host:99999",
        "https://user:hunter2@host:1",
        "https://host:1/path",
        "https://host:1?x",
        "ftp://host:1",
        "unix:relative.sock",
        "unix:",
        "https://[::1:1",
    ],
)
def test_another_text_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write https://0\.0\.0\.0:4318") as refused:
        read_address(text)
    assert "hunter2" not in str(refused.value)
