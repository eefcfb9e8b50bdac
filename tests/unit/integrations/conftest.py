from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry import sync
from telemetry.testing import CapturedEvents
from tests.support.web.memory_config import memory_config


@pytest.fixture
def telemetry(captured_events: CapturedEvents) -> Iterator[sync.Telemetry]:
    del captured_events  # what is started meanwhile sends nothing
    telemetry = sync.Telemetry(memory_config())
    telemetry.start()
    yield telemetry
    telemetry.shutdown()
