"""Runs a PostgreSQL server on 127.0.0.1."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from tests.services import environment
from tests.services.ports import free_ports
from tests.services.postgres_archive import postgres_programs
from tests.services.process import ServiceProcess, SharedProcess
from tests.services.required import ServiceUnavailableError

_START_SECONDS = 120.0
_INITDB_SECONDS = 180.0
# PostgreSQL refuses to run as root: there the tests start it as this user.
_UNPRIVILEGED = "nobody"
# The kernel's cache survives the kill of a server; only a power failure would lose what was not synchronised.
_SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "max_prepared_transactions": "10",
}

_databases = itertools.count()


@dataclass(frozen=True)
class SharedPostgres:
    """What reaches a server that another process of this test run started.

    Attributes:
        pid: Process id of the server.
        port: Its port on 127.0.0.1.
        folder: Its folder.
    """

    pid: int
    port: int
    folder: str


class PostgresServer:
    """One server with its own folder, port and process.

    Raises:
        ServiceUnavailableError: It cannot be fetched, or does not run on this machine.
    """

    def __init__(self) -> None:
        self._programs = _runnable_programs()
        self.folder = _own_folder("telemetry-postgres-")
        self.port = free_ports(1)[0]
        settings = [
            part for name, value in (_SETTINGS | {"port": str(self.port)}).items() for part in ("-c", f"{name}={value}")
        ]
        command = [*_as_user(), str(self._programs / "bin" / "postgres"), "-D", str(self._data), *settings]
        self.process = ServiceProcess(command, log=self.folder / "postgres.log", folder=self.folder)

    @classmethod
    def attach(cls, shared: SharedPostgres) -> Self:
        """Return a server that another process started: it can be used, and not stopped."""
        server = cls.__new__(cls)
        server.folder, server.port = Path(shared.folder), shared.port
        server.process = SharedProcess(
            shared.pid, name="postgres", log=server.folder / "postgres.log", folder=server.folder
        )
        return server

    def share(self) -> SharedPostgres:
        """Return what another process needs to reach the server."""
        return SharedPostgres(pid=self.process.pid, port=self.port, folder=str(self.folder))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def __enter__(self) -> Self:
        command = [
            *_as_user(),
            str(self._programs / "bin" / "initdb"),
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        done = subprocess.run(
            [*command, "--no-sync", "--encoding=UTF8", "--no-locale"],
            capture_output=True,
            text=True,
            timeout=_INITDB_SECONDS,
            cwd=self.folder,
            env=environment.for_service(),
            check=False,
        )
        if done.returncode != 0:
            message = f"initdb failed: {done.stderr[-1_000:]}"
            raise ServiceUnavailableError(message)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, the first time or again, and wait until it accepts connections."""
        self.process.start()
        self.process.wait_until(self._answers, timeout=_START_SECONDS)

    def url(self, database: str = "postgres") -> str:
        """Return how a client reaches a database as its owner."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create a database of the caller's own and return its URL."""
        name = f"test_{os.getpid()}_{next(_databases)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@functools.cache
def _runnable_programs() -> Path:
    """Return the programs where the server's user may read them."""
    programs = postgres_programs()
    if os.geteuid() != 0:
        return programs
    # The user without privileges may not be allowed to enter the folders above this one.
    copy = _own_folder("telemetry-postgres-programs-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    shutil.copytree(programs, copy / "programs", symlinks=True)
    return copy / "programs"


def _own_folder(prefix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if os.geteuid() == 0:
        user = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(_UNPRIVILEGED)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = "PostgreSQL does not run as root, and setpriv is not installed"
        raise ServiceUnavailableError(message)
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=keep"]
