"""Uses a cloud store in the children of a process that used it before (gunicorn prefork, multiprocessing)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageConflictError, StorageNotFoundError, StorageUnreachableError
from telemetry.storage.gcp_storage import GcpStorageProvider
from telemetry.system.fork_relay import Relay
from tests.services.gcs import gcs_config_of
from tests.support.fakes.gcs import FakeGcs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

_FORKING = """
import json, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this is about
from telemetry.config import StorageConfig
from telemetry.exceptions import StorageConflictError
from telemetry.storage import StorageProviderFactory

def work(provider, who):
    provider.put(f"t/{who}", who.encode())
    provider.put(f"t/{who}", who.encode())
    assert provider.get(f"t/{who}") == who.encode()
    assert f"t/{who}" in [stored.name for stored in provider.list("t/")]
    try:
        provider.put(f"t/{who}", b"other")
    except StorageConflictError:
        pass
    else:
        raise AssertionError("overwritten")
    provider.check()
    with provider.lock(f"lock-{who}", owner=who, seconds=60.0) as lock:
        assert lock.is_held
    provider.delete(f"t/{who}")

def forked(run):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status

provider = StorageProviderFactory.create(StorageConfig(**json.loads(sys.stdin.read())))
work(provider, "parent")

def child():
    work(provider, "child")
    forked(lambda: work(provider, "grandchild"))
    work(provider, "child again")
    provider.close()

with provider.lock("kept", owner="parent", seconds=60.0) as kept:
    forked(child)
    forked(lambda: sys.exit(1) if kept.is_held else None)
    assert kept.is_held
work(provider, "parent again")
provider.close()
"""


@pytest.fixture
def server() -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        yield server


def fields_of(config: StorageConfig, token: str) -> str:
    return json.dumps({**config.model_dump(mode="json", exclude_none=True), "gcp_bearer_token": token})


def test_child_uses_its_parents_store(server: FakeGcs) -> None:
    script = _FORKING.replace("child again", "child-again").replace("parent again", "parent-again")
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=fields_of(gcs_config_of(server), server.token),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert [name for name in server.names if not name.startswith("locks/")] == []


def test_relay_gives_back_results_and_errors(server: FakeGcs) -> None:
    relay = Relay(GcpStorageProvider, gcs_config_of(server), lost=StorageUnreachableError)
    try:
        relay.call("put", "t/x", b"1")
        assert relay.call("get", "t/x") == b"1"
        with pytest.raises(StorageConflictError):
            relay.call("put", "t/x", b"2")
        with pytest.raises(StorageNotFoundError):
            relay.call("get", "t/none")
        assert [stored.name for stored in relay.call("list_page", "t/", None)] == ["t/x"]
        assert relay.call("list_page", "t/", "t/x") == ()
    finally:
        relay.close()
    assert not relay.is_alive
    with pytest.raises(StorageUnreachableError):
        relay.call("get", "t/x")


def test_relay_killed_between_two_calls(server: FakeGcs) -> None:
    relay = Relay(GcpStorageProvider, gcs_config_of(server), lost=StorageUnreachableError)
    relay.call("put", "t/x", b"1")
    os.kill(relay._process.pid, signal.SIGKILL)
    with pytest.raises(StorageUnreachableError, match="has ended"):
        relay.call("get", "t/x")
    assert not relay.is_alive


def test_relay_ends_with_its_owner(server: FakeGcs) -> None:
    relay = Relay(GcpStorageProvider, gcs_config_of(server), lost=StorageUnreachableError)
    relay.call("put", "t/x", b"1")
    relay._connection.close()
    assert relay._process.wait(30) == 0
    relay.close()
