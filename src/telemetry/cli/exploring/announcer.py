"""Says where the explorer is, and opens its link in a browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import ExitStack
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from telemetry.cli.exploring.enter_key import watch_enter
from telemetry.cli.output.console import err, escape_markup, write_line
from telemetry.system.durable_file import write_durably

if TYPE_CHECKING:
    from telemetry.explorer.access.access import Access
    from telemetry.explorer.index.state import IndexState
    from telemetry.gateway.server.address import Address


class Announcer:
    """Says where the explorer is, and when everything has been read; its link goes to this terminal alone.

    Args:
        opens_browser: Whether to open the link in a browser.
        json: Whether to print address and link as JSON.
    """

    def __init__(self, *, opens_browser: bool, json: bool) -> None:
        self._opens_browser = opens_browser
        self._json = json
        self._closing = ExitStack()
        self._access: Access | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def started(self, address: Address, access: Access) -> None:
        """Print the address, and the link if there is one."""
        link = access.make_link()
        if self._json:
            write_line(msgspec.json.encode({"address": str(address), "link": link}).decode())
            sys.stdout.flush()
        elif link is None:
            err.print(f"listening on {escape_markup(str(address))}; Ctrl-C ends it")
        else:
            err.print("Open this link, which can be used once and for five minutes; Ctrl-C ends the explorer:")
            err.print(f"  {escape_markup(link)}")
            self._access = access
            if watch_enter(self):
                err.print("[dim]Press Enter for another link; the one before it then works no more.[/]")
        if link is not None and self._opens_browser:
            self._open(link)

    def enter_pressed(self) -> None:
        """Print another link: the session has ended, or another browser is wanted."""
        link = self._access.make_link() if self._access is not None else None
        if link is not None:
            err.print(f"  {escape_markup(link)}")

    def filled(self, state: IndexState) -> None:
        """Say that everything has been read."""
        rest = "; new events appear" if state.is_following else ""
        cut = f"; {state.left_out:,} are left out, because --most is reached" if state.is_cut else ""
        err.print(f"[dim]{state.read:,} records read: {state.indexed:,} events in memory{cut}{rest}[/]")

    def troubled(self, problem: str) -> None:
        """Say why nothing can be read at present."""
        err.print(f"[yellow]the trail cannot be read at present, and it is tried again: {escape_markup(problem)}[/]")

    def _open(self, link: str) -> None:
        """Open the link through a file that only this user can read: other users see the arguments of a process."""
        folder = Path(self._closing.enter_context(TemporaryDirectory(prefix="telemetry-explore-")))
        page = folder / "open.html"
        text = f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(link)}">'
        write_durably(page, text.encode(), replace=False)
        webbrowser.open(page.as_uri())


def has_screen() -> bool:
    """Return whether a browser could show something here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return err.is_terminal and any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
