"""Runs the explorer as a process: builds its parts, fills the index, answers, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from telemetry.config import GatewayConfig, TelemetryConfig
from telemetry.config.explorer.serving import ExplorerConfig
from telemetry.config.gateway.limits import GatewayLimits
from telemetry.explorer.access.access import Access, local_access, served_access
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.right import Right
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.filling import IndexFiller
from telemetry.explorer.index.opening import TrailOpening
from telemetry.explorer.index.state import IndexState
from telemetry.explorer.jobs.desk import EvidenceDesk
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.explorer.site.answering.pages import SitePages
from telemetry.explorer.site.answering.turns import Turns
from telemetry.explorer.site.app import build_app
from telemetry.explorer.site.scope import Scope
from telemetry.explorer.site.site import Site
from telemetry.gateway.server.address import Address
from telemetry.gateway.server.answer_limit import AnswerLimit
from telemetry.gateway.server.reloading import Reloader
from telemetry.gateway.server.serving import GatewayServer
from telemetry.gateway.server.tls import TlsFiles
from telemetry.gateway.server.unheard import IgnoredPeers
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.progress import ProgressDisplay

_CONNECTIONS = 200
_HEADER_BYTES = 32 * 1024
"""Of a request: a search with all its filters fits in, and a cookie."""
_ANSWER_SECONDS = 600.0
"""For one request: a download over a slow line takes its time; who reads nothing at all is cut off."""
_END_SECONDS = 1.0
"""For answers that are being sent when the explorer ends."""
_RELOAD_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_TROUBLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What is explored, and how.

    Attributes:
        config: Configuration of the trail, with ``explorer_config``.
        opening: Opens the trail for the index.
        scope: What is read, in words.
        policy: Who is trusted; None if nobody is named.
        trust_file: Content of the trust file, which goes into packs; None if there is none.
        right: Right of the one person, where nobody signs in.
    """

    config: TelemetryConfig
    opening: TrailOpening
    scope: Scope
    policy: TrustPolicy | None
    trust_file: bytes | None
    right: Right

    @property
    def explorer(self) -> ExplorerConfig:
        """The part of the configuration about the explorer."""
        return self.config.explorer_config or ExplorerConfig()


class Watcher(Protocol):
    """Is told how the explorer does."""

    def started(self, address: Address, access: Access) -> None:
        """Say where it is.

        Args:
            address: Where it listens.
            access: Makes the one-time link of the one person; it makes none where persons sign in.
        """

    def filled(self, state: IndexState) -> None:
        """Say that everything has been read once."""

    def troubled(self, problem: str) -> None:
        """Say why nothing can be read at present; it is tried again."""


async def run_explorer(exploration: Exploration, *, watcher: Watcher, display: ProgressDisplay) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        exploration: What is explored.
        watcher: Is told when it begins to answer.
        display: Shows how far the index is filled.

    Raises:
        ConfigurationError: The configuration cannot work.
        TelemetryError: The record of looks cannot be started.
    """
    explorer = exploration.explorer
    tls = TlsFiles(_serving(explorer)) if explorer.listen.startswith("https:") else None
    server = GatewayServer(_serving(explorer), tls)
    async with AsyncExitStack() as stack:
        server.listen()
        stack.callback(server.close)
        address = server.addresses[0]
        looks = Looks(
            exploration.config, sources=exploration.scope.describe(), shows_content=not exploration.scope.is_sealed
        )
        access = _access(exploration, address, looks)
        await stack.enter_async_context(looks)
        index = EventIndex(most=explorer.max_events)
        desk = _desk(exploration)
        stack.callback(desk.close)
        site = Site(
            config=exploration.config,
            policy=exploration.policy,
            scope=exploration.scope,
            index=index,
            access=access,
            desk=desk,
            pages=SitePages(index, scope=exploration.scope),
            turns=Turns(),
        )
        app = AnswerLimit(build_app(site), seconds=_ANSWER_SECONDS)
        filler = IndexFiller(index, exploration.opening)
        # From now on it is being filled, also before its thread has begun.
        index.progress.begin()
        with _ending_on_signals(server):
            stack.enter_context(filler)
            stack.push_async_callback(_cancel, asyncio.create_task(_watch(index, watcher, display)))
            if tls is not None:
                reloading = Reloader([tls], seconds=_RELOAD_SECONDS).run()
                stack.push_async_callback(_cancel, asyncio.create_task(reloading))
            await server.serve(app, unheard=IgnoredPeers(), started=lambda _addresses: watcher.started(address, access))


def _desk(exploration: Exploration) -> EvidenceDesk:
    return EvidenceDesk(
        TrailSource(exploration.config, exploration.scope.file, exploration.opening.archive),
        policy=exploration.policy,
        signing=exploration.explorer.evidence_signing,
        trust_file=exploration.trust_file,
    )


def _serving(explorer: ExplorerConfig) -> GatewayConfig:
    return GatewayConfig(
        listen=(explorer.listen,),
        admin_listen="",
        tls_certificate=explorer.tls_certificate,
        tls_key=explorer.tls_key,
        client_certificates="optional",
        allow_plain_http=explorer.allow_plain_http,
        limits=GatewayLimits(max_connections=_CONNECTIONS, max_header_bytes=_HEADER_BYTES),
        shutdown_seconds=_END_SECONDS,
    )


def _access(exploration: Exploration, address: Address, looks: Looks) -> Access:
    explorer = exploration.explorer
    if explorer.is_served:
        return served_access(exploration.config, base_urls=explorer.public_urls or (str(address),), looks=looks)
    return local_access(exploration.config, base_url=str(address), right=exploration.right, looks=looks)


@contextmanager
def _ending_on_signals(server: GatewayServer) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # On Windows a loop takes none; there Ctrl-C ends the process.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, server.stop)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


async def _watch(index: EventIndex, watcher: Watcher, display: ProgressDisplay) -> None:
    """Show how far the index is filled, and say what keeps it from being filled, until the task is cancelled."""
    troubles = _Troubles(watcher)
    with display.step("reading the trail") as step:
        done = 0
        while (state := index.state).is_filling:
            if state.expected:
                step.expect(state.expected)
            step.advance(max(0, state.read - done))
            done = max(done, state.read)
            troubles.see(state)
            await asyncio.sleep(_LOOK_SECONDS)
    if not state.has_ended:
        watcher.filled(state)
    while True:
        await asyncio.sleep(_TROUBLE_SECONDS)
        troubles.see(index.state)


class _Troubles:
    """Passes on each problem once, until there is none or another one."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._known: str | None = None

    def see(self, state: IndexState) -> None:
        # One that ends the reading is logged as an error already.
        if state.problem and state.problem != self._known and not state.has_ended:
            self._watcher.troubled(state.problem)
        self._known = state.problem


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
