"""Runs ``telemetry explore`` as a process, and comes in with its one-time link as a browser does."""

from __future__ import annotations

import html
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.support.until import until

_PATIENCE = 120.0
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class ExploreProcess:
    """An explorer that runs until the end of a ``with`` block.

    Args:
        folder: Where its output goes.
        *options: Options of ``telemetry explore``.

    Attributes:
        link: The one-time link; empty where persons sign in.
        origin: Its address.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._out, self._err = folder / "explore.out", folder / "explore.err"
        words = [sys.executable, "-m", "telemetry", "explore", "--json", "--no-browser", *options]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(words, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.link = ""
        self.origin = ""
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        until(self._says_where, what="telemetry explore says where it is", timeout=_PATIENCE, state=self.errors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        self.end()

    @property
    def browser(self) -> httpx.Client:
        """A connection that keeps the cookies of the person."""
        if self._client is None:
            self._client = httpx.Client(base_url=self.origin, timeout=_PATIENCE)
        return self._client

    def errors(self) -> str:
        """Return what it wrote to standard error."""
        return self._err.read_text("utf-8", "replace")

    def ended(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self._process.poll()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C does, and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(_PATIENCE)

    def enter(self, *, reason: str = "") -> None:
        """Use the link; give the reason, if there is one."""
        self.post("/enter", link=urlsplit(self.link).path.rpartition("/")[2])
        if reason:
            answer = self.post("/reason", reason=reason, next="/")
            assert answer.status_code == 303, answer.text

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of a page of this session."""
        page = self.browser.get("/settings")
        token = _CSRF.search(page.text) if page.status_code == 200 else None
        data = fields | ({"csrf": token[1]} if token else {})
        return self.browser.post(path, data=data, headers={"origin": self.origin, "sec-fetch-site": "same-origin"})

    def shown(self, path: str) -> str:
        """Return what a person reads of a page."""
        answer = self.browser.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2])).split())

    def wait_until_read(self, events: int) -> None:
        """Wait until so many events are in memory, and nothing is read any more."""

        def is_read() -> bool:
            text = self.shown("/search")
            return "still being read" not in text and f"{events} event" in text

        until(is_read, what="the explorer has read the trail", timeout=_PATIENCE, state=self.errors)

    def _says_where(self) -> bool:
        if self._process.poll() is not None:
            message = f"telemetry explore ended with {self._process.returncode}: {self.errors()}"
            raise RuntimeError(message)
        lines = self._out.read_text("utf-8").splitlines()
        if not lines:
            return False
        said = json.loads(lines[0])
        self.link, self.origin = said["link"] or "", said["address"]
        return True
