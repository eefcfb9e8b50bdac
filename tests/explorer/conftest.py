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
from tests.support.explorer_site import ExplorerSite
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


@pytest.fixture(scope="session")
def exporting_site(trail: ExplorerTrail, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplorerSite]:
    with ExplorerSite(trail, tmp_path_factory.mktemp("exporter"), "exporter") as site:
        yield site


@pytest.fixture(scope="session")
def sealed_site(trail: ExplorerTrail, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplorerSite]:
    with ExplorerSite(trail, tmp_path_factory.mktemp("sealed"), "sealed") as site:
        yield site


@pytest.fixture(scope="module")
def explorer(exporting_site: ExplorerSite, chromium: Browser) -> ExplorerSite:
    """An explorer that has read the trail, and whose session may export and has given a reason."""
    exporting_site.sign_in_once(chromium)
    return exporting_site


@pytest.fixture(scope="module")
def sealed_explorer(sealed_site: ExplorerSite, chromium: Browser) -> ExplorerSite:
    """An explorer that opens nothing."""
    sealed_site.sign_in_once(chromium, reason=None)
    return sealed_site
