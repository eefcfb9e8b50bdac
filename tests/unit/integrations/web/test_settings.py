from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.web.settings import WebOptions, WebSettings


def test_options_and_settings_have_the_same_names() -> None:
    assert set(WebOptions.__annotations__) == {field.name for field in dataclasses.fields(WebSettings)}


@pytest.mark.parametrize(
    "options",
    [
        {"proxy_header": "x-real-ip"},
        {"before_response": "accepted"},
        {"session": lambda _: None, "session_cookie": "sid"},
    ],
)
def test_contradictory_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        WebSettings(**options)


def test_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="methodes"):
        WebSettings(methodes="all")  # type: ignore[call-arg]
