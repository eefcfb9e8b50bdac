"""Serves an application of asyncio on a free port, in a thread of its own: browsers of the tests end this thread's loops."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import uvicorn

from tests.support.access_site import Site
from tests.support.until import until


@contextmanager
def served(opened: Callable[[str], AbstractAsyncContextManager[Site]]) -> Iterator[tuple[str, Site]]:
    """Serve a site, and yield its address and the site.

    Args:
        opened: Opens the site for an address.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        found: list[Site] = []
        servers: list[uvicorn.Server] = []

        async def serve() -> None:
            async with opened(origin) as site:
                found.append(site)
                config = uvicorn.Config(site.app, log_level="error", lifespan="off", ws="none", proxy_headers=False)
                server = uvicorn.Server(config)
                servers.append(server)
                await server.serve(sockets=[listener])

        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        until(lambda: bool(servers) and servers[0].started, what="the site answers")
        try:
            yield origin, found[0]
        finally:
            servers[0].should_exit = True
            thread.join(30)
