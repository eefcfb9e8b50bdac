"""Gives the browser tests Chromium, a trail of 10,000 signed events on a real topic, and explorers of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.services.broker_rights import new_topic
from tests.services.chromium import started_chromium
from tests.services.kafka import KafkaBroker
from tests.services.required import ServiceUnavailableError, unavailable
from tests.support.explorer_trail import ExplorerTrail


# Of a module, not of the session: while it runs, no event loop can be started in this thread.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium without a window."""
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(started_chromium())
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield browser


@pytest.fixture(scope="session")
def trail(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> ExplorerTrail:
    """Four weeks of a shop, hostile events, a gap, an outage, stored events, and two readers."""
    trail = ExplorerTrail(kafka, new_topic(kafka), tmp_path_factory.mktemp("explorer"))
    trail.write()
    return trail
