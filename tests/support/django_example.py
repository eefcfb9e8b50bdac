"""Runs the example project of Django on a real server."""

from __future__ import annotations

import http.cookiejar
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.types import AuditEvent, TelemetryConfig
from tests.services.ports import free_ports
from tests.support.until import until

EXAMPLES = Path(__file__).parents[2] / "examples" / "django"
_PATIENCE = 120.0
_CONFIGURATION = """
service_name = "shop"
environment = "production"

[audit_config]
kafka_brokers = "{brokers}"
security_protocol = "PLAINTEXT"
encryption_enabled = false
fallback_enabled = false
"""


def prepare(folder: Path, *, brokers: str) -> None:
    """Copy the project into a folder, and give it a database and a user ``ada``."""
    copy(EXAMPLES / "audited", folder, brokers=brokers)
    run(folder, "manage.py", "makemigrations", "shop")
    run(folder, "manage.py", "migrate", "--verbosity", "0")
    run(folder, "manage.py", "createsuperuser", "--no-input", "--username", "ada", "--email", "ada@example.com")


def copy(project: Path, folder: Path, *, brokers: str) -> None:
    """Copy a project into a folder, and have it use a broker."""
    shutil.copytree(project, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "telemetry.toml").write_text(_CONFIGURATION.format(brokers=brokers))


def run(folder: Path, *words: str) -> str:
    """Run a Python program in the folder, and return its output."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"DJANGO_SUPERUSER_PASSWORD": "very secret 1"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def logged(folder: Path) -> list[AuditEvent]:
    """Return the events on the topic."""
    with KafkaSource(TelemetryConfig.load(folder / "telemetry.toml").audit_config) as source:
        return [entry.event for entry in TrailReader(source, provider=None) if isinstance(entry, OpenedEvent)]


class ExampleServer:
    """The project on a free port.

    Args:
        folder: Where it is laid out.
        words: Command of the server; ``PORT`` stands for the port.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        port = free_ports(1)[0]
        self._folder = folder
        self._address = f"http://127.0.0.1:{port}"
        self._argv = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
        self._log = folder / "server.log"
        self._browser = self.browser()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, what=f"the server; {self._argv}", timeout=_PATIENCE, state=self.output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            # It leads a process group of its own: workers must not outlive a failed test.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE)

    @staticmethod
    def browser() -> urllib.request.OpenerDirector:
        """Return a client with cookies of its own."""
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def post(self, path: str, *, browser: urllib.request.OpenerDirector | None = None, **form: str) -> tuple[int, str]:
        """Send a form, and return status and text of the answer."""
        data = urllib.parse.urlencode(form).encode()
        try:
            with (browser or self._browser).open(self._address + path, data, timeout=_PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(_PATIENCE)

    def interrupt(self) -> None:
        """Press Ctrl-C: every process of the server gets the signal."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)

    def output(self) -> str:
        """Return the server's output."""
        return self._log.read_text("utf-8")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output()
        try:
            self._browser.open(self._address + "/orders/0/ship/", timeout=_PATIENCE).close()
        except urllib.error.HTTPError as exc:
            exc.close()
        except OSError:
            return False
        return True
