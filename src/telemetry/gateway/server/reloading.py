"""Reads files again when they change, and keeps what was good when they are not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from telemetry.exceptions import ConfigurationError
from telemetry.system.loops.running import run_in_thread

logger = logging.getLogger("telemetry.gateway")


class Reloadable(Protocol):
    """Something that was read from files."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files."""

    @property
    def what(self) -> str:
        """What they are, for a log line."""

    def reload(self) -> None:
        """Read them again; what was read before stays if they cannot be used.

        Raises:
            ConfigurationError: They cannot be used.
        """


class Reloader:
    """Looks at files now and then.

    Args:
        sources: What was read from files.
        seconds: How often to look.

    Attributes:
        refused: What is not as its files are, because these cannot be used; by :attr:`Reloadable.what`.
    """

    def __init__(self, sources: Sequence[Reloadable], *, seconds: float) -> None:
        self._sources = tuple(sources)
        self._seconds = seconds
        self._seen = [_state_of(source.files) for source in self._sources]
        self._wanted = asyncio.Event()
        self.refused: frozenset[str] = frozenset()

    def want(self) -> None:
        """Read all files again soon, changed or not: SIGHUP."""
        self._wanted.set()

    async def run(self) -> None:
        """Look until the task is cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._wanted.wait(), self._seconds)
            except TimeoutError:
                is_wanted = False
            else:
                self._wanted.clear()
                is_wanted = True
            await self._look(is_wanted=is_wanted)

    async def _look(self, *, is_wanted: bool) -> None:
        for number, source in enumerate(self._sources):
            state = _state_of(source.files)
            if not source.files or (state == self._seen[number] and not is_wanted):
                continue
            # Noted before the reading: what changes meanwhile is seen the next time.
            self._seen[number] = state
            await self._read(source)

    async def _read(self, source: Reloadable) -> None:
        try:
            # In a thread: ten thousand identities must not delay the requests that are under way.
            await run_in_thread(source.reload)
        except ConfigurationError as exc:
            self.refused |= {source.what}
            logger.error("%s were not reloaded, and the former ones stay in force: %s", source.what, exc)  # noqa: TRY400 - the message says it
        except Exception as exc:  # noqa: BLE001 - a file that vanishes in between must not end the looking for good
            self.refused |= {source.what}
            logger.error("%s were not reloaded, and the former ones stay in force: %s", source.what, type(exc).__name__)  # noqa: TRY400
        else:
            self.refused -= {source.what}
            logger.info("%s were reloaded", source.what)


def _state_of(files: Sequence[Path]) -> tuple[object, ...]:
    """Return what changes with a file, also where a link is turned to another one, as Kubernetes does."""
    states: list[object] = []
    for path in files:
        try:
            found = path.stat()
        except OSError as exc:
            states.append(exc.errno)
        else:
            states.append((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(states)
