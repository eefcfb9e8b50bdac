"""Decides whether a missing service skips a test or fails it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


class ServiceUnavailableError(Exception):
    """A service of the tests cannot run on this machine; the message says why."""


def unavailable(reason: str) -> NoReturn:
    """Skip the test with the reason, or fail it where ``REQUIRE_SERVICES=1`` forbids skipping."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{reason} (REQUIRE_SERVICES=1)", pytrace=False)
    pytest.skip(reason)
