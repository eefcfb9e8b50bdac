"""Shares one service between the workers of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services import sharing
from tests.services.required import ServiceUnavailableError


@contextmanager
def _answering(folder: Path) -> Iterator[dict[str, Any]]:
    folder.mkdir()
    (folder / "running").touch()
    yield {"port": 9}
    (folder / "running").unlink()


@contextmanager
def _absent(_folder: Path) -> Iterator[dict[str, Any]]:
    message = "it is not installed"
    raise ServiceUnavailableError(message)
    yield {}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[sharing.ServiceHost]:
    monkeypatch.setattr(sharing, "STARTS", {"answering": _answering, "absent": _absent})
    running = sharing.ServiceHost()
    yield running
    running.close()


def _worker(host: sharing.ServiceHost) -> Any:
    return SimpleNamespace(workerinput={"services_folder": str(host.folder)})


def test_workers_reach_one_service(host: sharing.ServiceHost) -> None:
    first = sharing.shared_service(_worker(host), "answering")

    assert first == sharing.shared_service(_worker(host), "answering") == {"port": 9}
    assert (host.folder / "answering" / "running").exists()


def test_services_are_stopped_at_the_end(host: sharing.ServiceHost) -> None:
    sharing.shared_service(_worker(host), "answering")

    host.close()

    assert not host.folder.exists()


def test_unavailable_service_says_why(host: sharing.ServiceHost) -> None:
    with pytest.raises(ServiceUnavailableError, match="it is not installed"):
        sharing.shared_service(_worker(host), "absent")


def test_run_without_workers_shares_nothing() -> None:
    alone: Any = SimpleNamespace()

    assert sharing.shared_service(alone, "answering") is None


def test_collected_tests_start_their_services(host: sharing.ServiceHost) -> None:
    items = [SimpleNamespace(fixturenames=["answering", "tmp_path"]), SimpleNamespace()]
    session: Any = SimpleNamespace(config=_worker(host), items=items)

    sharing.request_early(session)

    assert [path.name for path in host.folder.glob("*.wanted")] == ["answering.wanted"]
