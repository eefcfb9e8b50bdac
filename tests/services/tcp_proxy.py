"""Runs a TCP proxy on 127.0.0.1 that can cut, delay, stall and refuse its connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self

from tests.services.ports import free_ports

_CHUNK_BYTES = 64 << 10
_ANSWER_SECONDS = 20.0


class TcpProxy:
    """Forwards its port to another port of 127.0.0.1, in a thread of its own.

    Args:
        target_port: Where the server listens.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = free_ports(1)[0]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"tcp-proxy-{self.port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._passing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._delay = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """``127.0.0.1:port`` of the proxy."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections pass through now."""
        return self._passing

    def start(self) -> None:
        """Start forwarding."""
        self._thread.start()
        self._flowing.set()
        self.accept()

    def close(self) -> None:
        """Cut every connection and end the thread. Calling it again has no effect."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._call(self._refuse)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_ANSWER_SECONDS)
        self._loop.close()

    def cut(self) -> None:
        """Cut the connections of this moment, in both directions; new ones are taken."""
        self._call(self._cut)

    def refuse(self) -> None:
        """Cut the connections and refuse new ones, as if nothing listened."""
        self._call(self._refuse)

    def accept(self) -> None:
        """Take connections, again after ``refuse``."""
        self._call(self._accept)

    def stall(self) -> None:
        """Let no byte through, in either direction; connections stay open and new ones are taken."""
        self._call(self._stall)

    def resume(self) -> None:
        """Let bytes through again, those held back first."""
        self._call(self._resume)

    def delay(self, seconds: float) -> None:
        """Delay every chunk of bytes by some seconds; 0 ends the delay."""
        self._delay = seconds

    def _call(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(_ANSWER_SECONDS)

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _resume(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own, so that cutting can end it and wait for that.
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            ends.append(onward_writer)
            self._passing += 1
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, onward_writer))
                group.create_task(self._pump(onward_reader, writer))
        except* OSError:
            pass  # a server that is away or a cut connection is what this class is for
        finally:
            self._passing -= len(ends) - 1
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
