"""Offers the fixture ``captured_events`` to pytest, which loads this module by its entry point.

Every run of pytest loads it, so it imports nothing that pytest has not loaded already.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from telemetry.testing.captured.captured_events import CapturedEvents


@pytest.fixture
def captured_events() -> Iterator[CapturedEvents]:
    """Capture the audit events of a test in memory: no broker, no key, no thread."""
    from telemetry.testing.captured.capture import capture_events  # noqa: PLC0415 - a run without this fixture needs none of it

    with capture_events() as captured:
        yield captured
