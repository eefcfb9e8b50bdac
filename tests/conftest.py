"""Gives every test a clean environment, no network beyond this machine, and the real services."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from telemetry.client import started
from tests.services import environment
from tests.services.fixtures import azurite, kafka, own_kafka, own_postgres, postgres, topic
from tests.services.network_guard import NetworkGuard
from tests.services.schedule import LongestFirst, order_items
from tests.services.sharing import SharingPlugin, request_early

__all__ = ["azurite", "kafka", "own_kafka", "own_postgres", "postgres", "topic"]

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every program started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Timing never decides a test.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# Before any test module is imported: some libraries read these variables once, at import or at first use.
environment.scrub()
_GUARD = NetworkGuard()
_GUARD.install()


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("dist", "no") != "no":
        config.pluginmanager.register(SharingPlugin(), "shared-services")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst:
    return LongestFirst(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Without workers the order of the time is of no use, and the random one is kept.
    if hasattr(config, "workerinput"):
        order_items(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    request_early(session)


@pytest.fixture(autouse=True)
def _forget_what_other_tests_started() -> Iterator[None]:
    """Let ``current_telemetry()`` find what this test starts, and nothing that another test left running."""
    started.clear()
    yield
    started.clear()


@pytest.fixture(autouse=True)
def _stay_on_this_machine() -> Iterator[None]:
    _GUARD.take_attempts()
    yield
    attempts = _GUARD.take_attempts()
    if attempts:
        pytest.fail(f"the test tried to leave this machine: {', '.join(attempts)}", pytrace=False)
