"""Starts the explorer from the options of ``telemetry explore``, and says where it is."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from telemetry.cli.exploring.announcer import Announcer, has_screen
from telemetry.cli.exploring.options import ExploredOptions
from telemetry.cli.options.connection import ConfigLoader
from telemetry.cli.options.sources import NO_TOPIC, archive_place
from telemetry.cli.output.bars import Bars
from telemetry.config import ExplorerConfig
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.reader.trust.trust_file import read_trust_file

if TYPE_CHECKING:
    from telemetry.archive.reading.trail_place import ArchivePlace
    from telemetry.config import TelemetryConfig
    from telemetry.explorer.access.right import Right
    from telemetry.explorer.running import Exploration

_FEATURE = "telemetry explore"
_PACKAGES = ("starlette", "uvicorn", "jinja2", "authlib", "httpx")
"""What the extra brings."""


def explore_trail(
    load: ConfigLoader, explored: ExploredOptions, served: Mapping[str, Any], *, right: str, browser: bool, json: bool
) -> None:
    """Run the explorer until a signal ends it.

    Args:
        load: Builds the configuration.
        explored: What is explored.
        served: Fields of ``ExplorerConfig`` that were given.
        right: Right of the holder of the link.
        browser: Whether to open the link in a browser, if there is a screen.
        json: Whether to print address and link as JSON.

    Raises:
        ConfigurationError: An option cannot be used.
        MissingExtraError: The packages of the explorer are not installed.
    """
    _require_packages()
    from telemetry.explorer.running import run_explorer  # noqa: PLC0415 - after its packages were looked for

    with (
        _exploration(load, explored, served, right=right) as exploration,
        Announcer(opens_browser=browser and has_screen(), json=json) as announcer,
    ):
        asyncio.run(run_explorer(exploration, watcher=announcer, display=Bars()))


@contextmanager
def _exploration(
    load: ConfigLoader, explored: ExploredOptions, served: Mapping[str, Any], *, right: str
) -> Iterator[Exploration]:
    from telemetry.explorer.index.opening import TrailOpening  # noqa: PLC0415 - after its packages were looked for
    from telemetry.explorer.running import Exploration  # noqa: PLC0415
    from telemetry.explorer.site.scope import Scope  # noqa: PLC0415

    chosen = _right(right)
    config, explorer = _configured(load, explored, served, right=chosen)
    audit = config.audit_config
    policy, trust_file = explored.policy_of(audit), explored.trust_file_of(audit)
    within, since, until = explored.selected(audit)
    shows_content = _shows_content(explorer, chosen)
    archive: AbstractContextManager[ArchivePlace | None] = nullcontext()
    if explored.reads_archive:
        archive = archive_place(config, explored.archive, policy)
    with archive as place:
        yield Exploration(
            config=config,
            opening=TrailOpening(
                config=config,
                topic=explored.reads_topic,
                fallback=explored.reads_fallback,
                file=explored.file,
                archive=place,
                within=within,
                since=since,
                until=until,
                follow=explored.follows,
                sealed=not shows_content,
                trust=policy,
                reader=explored.reader,
                reason=explored.reason or None,
            ),
            scope=Scope(
                topic=audit.kafka_topic if explored.reads_topic else "",
                has_fallback=explored.reads_fallback,
                file=explored.file,
                archive=place.reader.name if place is not None else "",
                since=explored.since,
                until=explored.until,
                options=(*load.words, *explored.words),
                is_sealed=not shows_content,
                reason=explored.reason,
            ),
            policy=policy,
            trust_file=None if trust_file is None else read_trust_file(trust_file),
            right=chosen,
        )


def _configured(
    load: ConfigLoader, explored: ExploredOptions, served: Mapping[str, Any], *, right: Right
) -> tuple[TelemetryConfig, ExplorerConfig]:
    """Return the configuration, with what the options say about the explorer."""
    # Nothing is opened, and nothing can be sealed without a key: so no look is recorded, and none is at content.
    sealed = {"encryption_enabled": False, "read_audit": "off"} if right is right.SEALED else {}
    is_copy = explored.file is not None or explored.reads_archive
    unneeded = NO_TOPIC if sealed and is_copy else {}
    config = load(fallback_enabled=False, **sealed, **unneeded)
    known = {} if config.explorer_config is None else config.explorer_config.handed_over()
    explorer = ExplorerConfig(**{**known, **served})
    return config.model_copy(update={"explorer_config": explorer}), explorer


def _right(text: str) -> Right:
    from telemetry.explorer.access.right import Right  # noqa: PLC0415 - after its packages were looked for

    try:
        return Right(text)
    except ValueError as exc:
        known = ", ".join(right.value for right in Right)
        raise ConfigurationError(Problem("--right", "is no right", f"use {known}")) from exc


def _shows_content(explorer: ExplorerConfig, right: Right) -> bool:
    """Return whether anyone may read content; otherwise no event is opened."""
    identities = explorer.oidc or explorer.proxy
    if identities is None:
        return right is not right.SEALED
    grants = identities.grants
    return any((grants.reader_groups, grants.exporter_groups, grants.reader_subjects, grants.exporter_subjects))


def _require_packages() -> None:
    try:
        for name in _PACKAGES:
            importlib.import_module(name)
    except ImportError as exc:
        raise MissingExtraError(_FEATURE, "explore") from exc
