from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_PRELUDE = (
    "import socket, sys\n"
    "from tests.services.network_guard import NetworkGuard, NetworkForbiddenError\n"
    "guard = NetworkGuard()\n"
    "guard.install()\n"
)


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + script], cwd=_ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 9), timeout=1)",
        "socket.create_connection(('example.invalid', 9), timeout=1)",
        "socket.getaddrinfo('example.invalid', 9)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(('2001:db8::1', 9))",
        "socket.socket().connect_ex(('192.0.2.1', 9))",
    ],
)
def test_attempt_to_leave_the_machine_fails(attempt: str) -> None:
    told = _run(
        f"try:\n    {attempt}\nexcept NetworkForbiddenError:\n    print('refused')\n"
        "print(len(guard.take_attempts()), len(guard.take_attempts()))\n"
    )
    assert told == "refused\n1 0\n"


def test_guard_is_no_network_fault() -> None:
    told = _run(
        "try:\n"
        "    try:\n        socket.create_connection(('192.0.2.1', 9))\n"
        "    except Exception:\n        print('swallowed')\n"
        "except BaseException as exc:\n    print(type(exc).__name__)\n"
    )
    assert told == "NetworkForbiddenError\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_this_machine_can_be_reached(listener: socket.socket, host: str) -> None:
    port = listener.getsockname()[1]
    try:
        socket.create_connection((host, port), timeout=20).close()
    except ConnectionRefusedError:
        assert host == "127.0.0.2"  # allowed, but nobody listens there


def test_local_sockets_are_allowed(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
