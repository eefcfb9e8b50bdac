"""Checks that a forked child has its own data keys, and that no key is used twice with one initialization vector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.format.value import jwe

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

_EVENTS = 500_000
# Each process seals half a million events and writes their raw initialization vectors and key ids.
_SEALING = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what this is about
from pathlib import Path
from telemetry.audit.runtime import Runtime
from telemetry.types import AuditConfig, EncryptionConfig, StorageConfig

folder, events = Path(sys.argv[1]), int(sys.argv[2])
runtime = Runtime(AuditConfig(
    kafka_brokers="127.0.0.1:1", security_protocol="PLAINTEXT",
    storage_config=StorageConfig(provider="local_file", base_path=folder / "fallback"),
    encryption_config=EncryptionConfig(provider="local_key", key_path=folder / "kek", passphrase="correct horse"),
    data_key_max_uses=100_000,
))

def seal(name):
    pipeline = runtime.pipeline()
    stream = pipeline._intake._stream
    keys, encryptor = stream.keys.keyring, stream.sealer
    kids = {}
    with (folder / name).open("wb") as out:
        for _ in range(events):
            key = keys.take(1)
            while key is None:
                keys.request().result(120)
                key = keys.take(1)
            number = kids.setdefault(key.kid, len(kids))
            out.write(number.to_bytes(4, "big") + (encryptor._ivs or encryptor._draw_ivs()).pop())
    (folder / f"{name}.kids").write_text("\\n".join(kids))

runtime.start()
seal("before")
child = os.fork()
if child == 0:
    seal("child")
    os._exit(0)
seal("parent")
_, status = os.waitpid(child, 0)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(status))
"""


def test_fork_shares_no_key_and_no_vector(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SEALING, str(tmp_path), str(_EVENTS)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kids = {name: (tmp_path / f"{name}.kids").read_text().split() for name in ("before", "parent", "child")}
    assert len(kids["child"]) >= 5
    assert not set(kids["child"]) & {*kids["before"], *kids["parent"]}
    pairs = [pair for name in kids for pair in pairs_of(tmp_path / name, kids[name])]
    assert len(pairs) == 3 * _EVENTS
    assert len(set(pairs)) == len(pairs)


def pairs_of(path: Path, kids: list[str]) -> list[bytes]:
    data, size = path.read_bytes(), 4 + jwe.IV_BYTES
    names = [json.dumps(kid).encode() for kid in kids]
    return [
        names[int.from_bytes(data[start : start + 4], "big")] + data[start + 4 : start + size]
        for start in range(0, len(data), size)
    ]
