"""Chooses ports for servers that must keep theirs across a restart."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

# Below the ranges from which systems take the ports of outgoing connections (32768 on Linux, 49152 elsewhere):
# while a server is down, no client's own connection may sit on its port.
_LOWEST, _HIGHEST = 15_000, 31_999
_ATTEMPTS = 200


def free_ports(count: int) -> list[int]:
    """Return ``count`` different TCP ports of 127.0.0.1 on which nothing listens."""
    chance = random.SystemRandom()  # pytest seeds the usual generator alike in every worker
    with ExitStack() as held:
        found: list[int] = []
        for _ in range(_ATTEMPTS):
            candidate = held.enter_context(socket.socket())
            try:
                candidate.bind(("127.0.0.1", chance.randint(_LOWEST, _HIGHEST)))
            except OSError:
                continue
            found.append(candidate.getsockname()[1])
            if len(found) == count:
                return found
    message = f"no {count} free ports between {_LOWEST} and {_HIGHEST} on 127.0.0.1"
    raise OSError(message)
