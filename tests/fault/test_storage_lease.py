"""Kills the process that works on a shared cloud store: another one takes over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from telemetry.exceptions import StorageUnreachableError
from telemetry.storage import StorageProviderFactory
from tests.services.gcs import gcs_config_of
from tests.support.fakes.gcs import FakeGcs

_HOLDER = """
import json, sys
from telemetry.config import StorageConfig
from telemetry.storage import StorageProviderFactory
provider = StorageProviderFactory.create(StorageConfig(**json.loads(sys.stdin.readline())))
with provider.lock("replay", owner="first", seconds=10.0) as lock:
    print("held" if lock.is_held else "not held", flush=True)
    sys.stdin.read()
"""
_WAIT_SECONDS = 120.0


@contextmanager
def holder(server: FakeGcs) -> Iterator[tuple[subprocess.Popen[str], str]]:
    config = gcs_config_of(server).model_dump(mode="json", exclude_none=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({**config, "gcp_bearer_token": server.token}) + "\n")
            process.stdin.flush()
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_killed_holder_is_replaced() -> None:
    pause = threading.Event()
    with FakeGcs() as server, StorageProviderFactory.create(gcs_config_of(server)) as heir:
        with holder(server) as (process, answer):
            assert answer == "held"
            with heir.lock("replay", owner="heir", seconds=10.0) as lock:
                assert not lock.is_held
            with holder(server) as (_, second_answer):
                assert second_answer == "not held"
            process.kill()
            process.wait(30)
        deadline = time.monotonic() + _WAIT_SECONDS
        attempts, held = 0, False
        while not held and time.monotonic() < deadline:
            with heir.lock("replay", owner="heir", seconds=10.0) as lock:
                held = lock.is_held
            attempts += 1
            pause.wait(0.05)
        assert held, "nobody could take over from a dead holder"
        assert attempts > 1, "the lock was taken from a holder that had just renewed it"


@pytest.mark.parametrize("operation", ["put", "get", "list", "delete"])
def test_store_that_accepts_and_never_answers(operation: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, FakeGcs() as server:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = gcs_config_of(server, endpoint_url=url, timeout_ms=200, max_retries=1)
        with StorageProviderFactory.create(config) as provider:
            calls: dict[str, Callable[[], object]] = {
                "put": lambda: provider.put("t/x", b"1"),
                "get": lambda: provider.get("t/x"),
                "list": lambda: list(provider.list("t/")),
                "delete": lambda: provider.delete("t/x"),
            }
            began = time.monotonic()
            with pytest.raises(StorageUnreachableError, match="gs://fake-bucket"):
                calls[operation]()
            assert time.monotonic() - began < _WAIT_SECONDS
