"""Implements ``telemetry spool``: shows what is in the spool folder, and takes back what was quarantined there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from telemetry.audit.spool.own_files import open_folder
from telemetry.audit.spool.owner import accept_segment, owner_of
from telemetry.audit.spool.sealing import SPOOL_PURPOSE
from telemetry.audit.spool.segment import DAMAGED_SUFFIX, QUARANTINED_SUFFIX, SUFFIX
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.console import err, escape_markup, out, write_line
from telemetry.cli.output.examples import examples
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.trail.stored import open_storage_keys

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at the spool folder, and take back what was quarantined there.",
)

_STATES = {SUFFIX: "waiting", DAMAGED_SUFFIX: "damaged", QUARANTINED_SUFFIX: "quarantined"}


@app.command("list", epilog=examples("telemetry spool list -c telemetry.toml"))
@with_connection
def list_(
    load: Loader, *, json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False
) -> None:
    """List the segments: of processes that run or ended, damaged, quarantined. Nothing is opened."""
    table = Table("state", "bytes", "segment")
    for path in _segments(_folder_of(load(encryption_enabled=False).audit_config)):
        state, size = _STATES[path.suffix], path.lstat().st_size
        if json:
            write_line(msgspec.json.encode({"state": state, "name": path.name, "bytes": size}).decode())
        table.add_row(state, f"{size:,}", escape_markup(path.name))
    if not json:
        out.print(table)


@app.command(
    epilog=examples("telemetry spool accept 0198c0de-7a4c-7d3e-9b1a-5c6d7e8f9a0b.quarantined -c telemetry.toml")
)
@with_connection
def accept(
    load: Loader,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of files, as `spool list` shows them.")],
) -> None:
    """Vouch for segments that carry no mark of this service, so that its next start sends them.

    For segments that an earlier version of the service wrote itself. Each record must be one that the service can have
    logged; all are sealed anew. No checkpoint is signed for them.

    Exit code: 0, 1 when a file cannot be read or written, 3 when a segment cannot be this service's.
    """
    config = load()
    folder = _folder_of(config.audit_config)
    open_folder(folder)
    with ExitStack() as stack:
        keys = open_storage_keys(config, stack)
        owner = owner_of(config, keys)
        for name in names:
            if Path(name).name != name or not name.endswith(QUARANTINED_SUFFIX):
                reason = f"{name!r} is not the name of a quarantined segment"
                raise ConfigurationError(Problem("NAME", reason, "name one as `telemetry spool list` shows it"))
            key = keys.create(SPOOL_PURPOSE) if owner.keys is not None else None
            count = accept_segment(folder / name, owner, key=key)
            err.print(f"[bold]{count}[/] records of {escape_markup(name)} are sealed anew; the next start sends them")


def _folder_of(config: AuditConfig) -> Path:
    if config.spool_path is None:
        raise ConfigurationError(Problem("spool_path", "is not set", "name the spool folder"))
    return config.spool_path


def _segments(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.suffix in _STATES)
