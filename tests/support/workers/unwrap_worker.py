"""Asks for many data keys in turn, and prints by how many bytes the process grew.

As a program: ``python -m tests.support.workers.unwrap_worker KEYS``.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from pathlib import Path

from telemetry.encryption import Context
from telemetry.encryption.unwrap.cache import UnwrapCache
from tests.services.stub_keys import StubKeys

CONTEXT = {"service": "shop"}


class AnyKey(StubKeys):
    """Unwraps whatever it is given."""

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the signature of the ABC
        self.calls += 1
        return hashlib.sha256(wrapped).digest()


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) << 10


def main(keys: int) -> None:
    """Ask for each key twice."""
    provider = AnyKey()
    cache = UnwrapCache(provider)
    cache.open_key(bytes(64), "stub://key", CONTEXT)
    before = resident()
    for number in (*range(keys), *range(keys)):
        cache.open_key(number.to_bytes(8, "big") * 8, "stub://key", CONTEXT)
    sys.stdout.write(f"{resident() - before} {len(cache)} {provider.calls}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
