"""Starts each real service once for all workers of a test run, in the process that distributes the tests.

A worker asks for a service by creating the file ``NAME.wanted`` in a folder that the distributing process polls. That
process starts the service beside the running tests and answers with ``NAME.json``: what a worker needs to reach it, or
why it is not available. A run without workers starts its services itself.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.services.azurite import Azurite
from tests.services.broker_rights import grant_common
from tests.services.kafka import KafkaBroker
from tests.services.moto_s3 import MotoS3
from tests.services.postgres import PostgresServer
from tests.services.required import ServiceUnavailableError
from tests.support.until import until

_KEY = "services_folder"
_POLL_SECONDS = 0.05
_START_SECONDS = 250.0

Described = Mapping[str, Any]
"""What reaches a service, as JSON can carry it."""


@contextlib.contextmanager
def _kafka(folder: Path) -> Iterator[Described]:
    with KafkaBroker(folder) as broker:
        grant_common(broker)
        yield asdict(broker.share())


@contextlib.contextmanager
def _azurite(folder: Path) -> Iterator[Described]:
    with Azurite(folder) as emulator:
        yield asdict(emulator.service)


@contextlib.contextmanager
def _postgres(_folder: Path) -> Iterator[Described]:
    with PostgresServer() as server:
        yield asdict(server.share())


@contextlib.contextmanager
def _moto_s3(folder: Path) -> Iterator[Described]:
    with MotoS3(folder) as emulator:
        yield {"port": emulator.port}


STARTS: dict[str, Callable[[Path], AbstractContextManager[Described]]] = {
    "kafka": _kafka,
    "azurite": _azurite,
    "moto_s3": _moto_s3,
    "postgres": _postgres,
}
"""Fixture name to what starts the service."""


class ServiceHost:
    """Starts services on request until it is closed; runs in the process that distributes the tests.

    Attributes:
        folder: Where requests and answers are.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="telemetry-services-"))
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._poller = threading.Thread(target=self._poll, name="service-host", daemon=True)
        self._poller.start()

    def close(self) -> None:
        """Stop every service."""
        self._ended.set()
        self._poller.join()
        for thread in self._threads:
            thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _poll(self) -> None:
        waiting = set(STARTS)
        while not self._ended.wait(_POLL_SECONDS):
            for name in sorted(waiting):
                if (self.folder / f"{name}.wanted").exists():
                    waiting.discard(name)
                    thread = threading.Thread(target=self._serve, args=(name,), name=f"service-{name}", daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _serve(self, name: str) -> None:
        with ExitStack() as stack:
            try:
                reached = stack.enter_context(STARTS[name](self.folder / name))
            except ServiceUnavailableError as exc:
                self._answer(name, {"unavailable": str(exc)})
                return
            except Exception as exc:
                self._answer(name, {"error": repr(exc)})
                raise
            self._answer(name, {"reached": reached})
            self._ended.wait()

    def _answer(self, name: str, answer: Described) -> None:
        # By renaming, because a worker reads it as soon as it is there.
        partial = self.folder / f"{name}.partial"
        partial.write_text(json.dumps(answer))
        partial.rename(self.folder / f"{name}.json")


def request_early(session: pytest.Session) -> None:
    """Ask for the services that the collected tests name, so that they start beside the first tests."""
    folder = _folder(session.config)
    if folder is not None:
        named = {name for item in session.items for name in getattr(item, "fixturenames", ())}
        for name in named & STARTS.keys():
            (folder / f"{name}.wanted").touch()


def shared_service(config: pytest.Config, name: str) -> dict[str, Any] | None:
    """Return what reaches a service of the whole run, or None in a run without workers.

    Raises:
        ServiceUnavailableError: The service cannot run on this machine.
    """
    folder = _folder(config)
    if folder is None:
        return None
    (folder / f"{name}.wanted").touch()
    answered = folder / f"{name}.json"
    until(answered.exists, timeout=_START_SECONDS, what=f"the start of {name}")
    answer: dict[str, Any] = json.loads(answered.read_text())
    if "unavailable" in answer:
        raise ServiceUnavailableError(answer["unavailable"])
    assert "reached" in answer, answer
    reached: dict[str, Any] = answer["reached"]
    return reached


def _folder(config: pytest.Config) -> Path | None:
    workers = getattr(config, "workerinput", None)
    return None if workers is None or _KEY not in workers else Path(workers[_KEY])


class SharingPlugin:
    """Gives each worker the host's folder, and stops the services at the end of the run."""

    def __init__(self) -> None:
        self._host = ServiceHost()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new worker where to ask."""
        node.workerinput[_KEY] = str(self._host.folder)

    def pytest_unconfigure(self) -> None:
        """Stop the services."""
        self._host.close()
