"""Forks a process that uses a key service at any moment: its children may use one of their own.

gRPC does not survive a fork: of a hundred runs of this script two waited forever, in a child that opened a channel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers.gcp_kms import GcpKmsProvider
from telemetry.exceptions import KeyAccessDeniedError, KeyMismatchError, KeyUnreachableError
from telemetry.system.fork_relay import Relay
from tests.services.cloud_kms import key_name, kms_config
from tests.support.fakes.cloud_kms import FakeCloudKms, write_service_account
from tests.support.until import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

_FORKING = """
import json, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this is about
from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory

config = EncryptionConfig(**json.loads(sys.stdin.read()))

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

def work():
    with EncryptionProviderFactory.create(config) as own:
        own.check()
        assert own._relay is not None and own._client is None, "gRPC was used in a child"

def generation():
    work()
    forked(work)

parent = EncryptionProviderFactory.create(config)
for _ in range(5):
    parent.check()
    forked(generation)
parent.check()
parent.close()
forked(generation)
print("done")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeCloudKms]:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    with FakeCloudKms(private_key=leaf.private_key_pem.bytes(), certificates=chain) as server:
        server.add_version(key_name("kek"))
        yield server


@pytest.fixture
def config(server: FakeCloudKms, tmp_path: Path) -> EncryptionConfig:
    account = write_service_account(tmp_path / "account.json")
    return kms_config(server, "kek", ca_path=tmp_path / "ca.pem", service_account=account, timeout_ms=30_000)


def test_cloud_kms_works_across_forks(config: EncryptionConfig) -> None:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in config}
    done = subprocess.run(
        [sys.executable, "-c", _FORKING],
        input=json.dumps({name: value for name, value in given.items() if value is not None}),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


def test_relay_wraps_unwraps_and_reports_errors(server: FakeCloudKms, config: EncryptionConfig) -> None:
    relay = Relay(GcpKmsProvider, config, lost=KeyUnreachableError)
    try:
        name, wrapped = relay.call("_encrypt", b"k" * 32, b"context")
        assert name.startswith(key_name("kek"))
        assert relay.call("_decrypt", wrapped, b"context") == b"k" * 32
        with pytest.raises(KeyMismatchError):
            relay.call("_decrypt", wrapped, b"another context")
        server.refuse("Encrypt")
        with pytest.raises(KeyAccessDeniedError):
            relay.call("_encrypt", b"k" * 32, b"context")
    finally:
        relay.close()


def test_close_ends_a_hanging_call(server: FakeCloudKms, config: EncryptionConfig) -> None:
    relay = Relay(GcpKmsProvider, config, lost=KeyUnreachableError)
    relay.call("_encrypt", b"k" * 32, b"context")
    before = server.calls("Encrypt")
    server.hang()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(relay.call, "_encrypt", b"k" * 32, b"context")
        until(lambda: server.calls("Encrypt") > before)
        relay.close()
        with pytest.raises(KeyUnreachableError, match="has ended"):
            hanging.result(120)
    server.resume()
    assert not relay.is_alive
