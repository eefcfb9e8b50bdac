"""Runs ``telemetry explore`` as a real process, and signs in as the person who holds its one-time link."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.support.browser_pages import WatchedPage
from tests.support.explorer_trail import ExplorerTrail
from tests.support.until import until

_PATIENCE = 120.0
_WINDOW: ViewportSize = {"width": 1280, "height": 900}
REASON = "audit 2026-11"


class ExplorerSite:
    """An explorer that runs.

    Args:
        trail: The trail that it shows.
        folder: Where its output goes.
        right: What the holder of the link may do.
        *options: Further options of ``telemetry explore``.

    Attributes:
        process: The process.
        link: The one-time link.
        origin: ``http://127.0.0.1:port``.
    """

    def __init__(self, trail: ExplorerTrail, folder: Path, right: str, *options: str) -> None:
        self._out, self._err = folder / f"explore-{right}.out", folder / f"explore-{right}.err"
        words = [sys.executable, "-m", "telemetry", "explore", "-c", str(trail.configuration), "--json", "--no-browser"]
        words += ["--trust", str(trail.trust), "--from", "all", "--right", right, *options]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(words, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        self.link = ""
        self._state: Any = None

    def __enter__(self) -> Self:
        until(self._says_link, what="telemetry explore prints its link", timeout=_PATIENCE, state=self.errors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def origin(self) -> str:
        """The address, without a path."""
        parts = urlsplit(self.link)
        return f"{parts.scheme}://{parts.netloc}"

    def errors(self) -> str:
        """Return what it wrote to standard error."""
        return self._err.read_text("utf-8", "replace")[-4_000:]

    def end(self) -> int:
        """End it as Ctrl-C does, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)

    def sign_in_once(self, browser: Browser, *, reason: str | None = REASON) -> None:
        """Use the link, give a reason, and wait until the trail is read; contexts of :meth:`visit` then have the session."""
        if self._state is not None:
            return
        context = browser.new_context(viewport=_WINDOW)
        page = context.new_page()
        page.goto(self.link)
        page.get_by_role("button").first.click()
        expect(page).to_have_url(f"{self.origin}/")
        if reason is not None:
            page.goto(f"{self.origin}/reason")
            page.get_by_label("Reason").fill(reason)
            page.get_by_role("button", name="Record and continue").click()
        self._wait_until_read(page)
        self._state = context.storage_state()
        context.close()

    def visit(self, browser: Browser, **options: Any) -> BrowserContext:
        """Return a new context with the session; the options are those of ``Browser.new_context``."""
        return browser.new_context(
            **{"storage_state": self._state, "base_url": self.origin, "viewport": _WINDOW, **options}
        )

    def _wait_until_read(self, page: Page) -> None:
        def is_read() -> bool:
            page.goto(f"{self.origin}/")
            return page.get_by_text("still being read").count() == 0

        until(is_read, what="the explorer has read the trail", timeout=_PATIENCE, state=self.errors)

    def _says_link(self) -> bool:
        if self.process.poll() is not None:
            message = f"telemetry explore ended with {self.process.returncode}: {self.errors()}"
            raise RuntimeError(message)
        lines = self._out.read_text("utf-8").splitlines()
        if not lines:
            return False
        self.link = json.loads(lines[0])["link"]
        return True


class Auditor:
    """A person at the explorer, whose clicks are counted: links, buttons and the parts that open.

    Args:
        context: A browser context with the session.
        origin: The explorer's address.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page = context.new_page()
        self.watched = WatchedPage(self.page)
        self.origin = origin
        self.clicks = 0

    def begin(self, path: str = "/") -> None:
        """Go to a page that the person has open; it counts nothing."""
        self.page.goto(f"{self.origin}{path}")
        self.clicks = 0

    def follow(self, name: str, *, within: str | None = None) -> None:
        """Click a link."""
        self._click("link", name, within)

    def press(self, name: str, *, within: str | None = None) -> None:
        """Click a button."""
        self._click("button", name, within)

    def open_part(self, name: str) -> None:
        """Click the summary of a part that is closed."""
        self.page.locator("summary", has_text=name).first.click()
        self.clicks += 1

    def fill(self, label: str, text: str) -> None:
        """Write into a field; typing is no click."""
        self.page.get_by_label(label, exact=True).first.fill(text)

    def choose(self, label: str, text: str) -> None:
        """Choose from a list, which counts as a click."""
        self.page.get_by_label(label, exact=True).first.select_option(text)
        self.clicks += 1

    def submit(self) -> None:
        """Press Enter in the field that has the focus, which counts as a click."""
        self.page.keyboard.press("Enter")
        self.clicks += 1

    def _click(self, role: Any, name: str, within: str | None) -> None:
        place = self.page.locator(within) if within else self.page
        place.get_by_role(role, name=name).first.click()
        self.clicks += 1
