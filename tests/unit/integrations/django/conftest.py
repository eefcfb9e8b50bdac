from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop import site

site.set_up()


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    """An empty database, and the events that a test causes."""
    from telemetry.integrations.django.process import process  # noqa: PLC0415 - Django must be set up

    site.empty()
    process.reset()
    captured_events.clear()
    yield captured_events
    process.reset()
    site.close()
