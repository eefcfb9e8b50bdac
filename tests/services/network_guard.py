"""Keeps every test from talking to anything but this machine.

Python's audit hooks see every connection that Python code opens. Libraries in C and Rust are not seen: what they are
asked to connect to is in the tests themselves.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from typing import Any

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_HERE = frozenset({"localhost", "ip6-localhost", "", None})


class NetworkForbiddenError(BaseException):
    """A test tried to leave the machine. Not an ``Exception``: no code under test may take it for a network fault."""


class NetworkGuard:
    """Refuses and remembers every attempt to leave the machine. An audit hook cannot be removed: create one guard only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[str] = []

    def install(self) -> None:
        """Begin to watch, until the process ends."""
        sys.addaudithook(self._watch)

    def take_attempts(self) -> list[str]:
        """Return the attempts since the last call and forget them."""
        with self._lock:
            attempts, self._attempts = self._attempts, []
        return attempts

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            self._require_local(event, _target(arguments))
        elif event in _LOOKUPS:
            self._require_local(event, arguments[0])

    def _require_local(self, event: str, host: object) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        if name in _HERE or not isinstance(name, str) or _is_loopback(name):
            return
        attempt = f"{event} to {name}"
        with self._lock:
            self._attempts.append(attempt)
        raise NetworkForbiddenError(attempt)


def _target(arguments: tuple[Any, ...]) -> object:
    opened, address = arguments[0], arguments[-1]
    if opened.family not in {socket.AF_INET, socket.AF_INET6} or not isinstance(address, tuple):
        return None  # a socket file, or a message on a connection that was looked at when it was opened
    return address[0]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
