"""Has seals and table of an archive agree, and shows what was done."""

from __future__ import annotations

import msgspec

from telemetry.archive.committing.opening import open_commits
from telemetry.archive.writing.adoption import Sealing, seal_table
from telemetry.cli.output.console import err, write_line
from telemetry.config import TelemetryConfig


def seal_archive(config: TelemetryConfig, *, uri: str | None, anew: bool, json: bool) -> None:
    """Seal what another engine wrote, or make the table anew.

    Args:
        config: The archive.
        uri: Its place, instead of that of the configuration.
        anew: Whether to make the table anew from the seals.
        json: Whether to print what was done as JSON.

    Raises:
        TelemetryError: It cannot be done.
    """
    with open_commits(config, uri) as commits:
        done = seal_table(commits, anew=anew)
    if json:
        write_line(msgspec.json.encode(_as_json(done)).decode())
    else:
        _show(done)


def _as_json(done: Sealing) -> dict[str, object]:
    adopted = [{"number": seal.number, "snapshot": seal.snapshot, "rows": seal.rows} for seal in done.adopted]
    return {
        "number": done.number,
        "adopted": adopted,
        "caught_up": done.caught_up,
        "rebuilt": done.is_rebuilt,
    }


def _show(done: Sealing) -> None:
    for seal in done.adopted:
        added, removed = len(seal.added), len(seal.removed)
        err.print(f"seal {seal.number}: snapshot {seal.snapshot}, {added} files added, {removed} replaced")
    if done.caught_up:
        err.print(f"the table lacked {done.caught_up} seals, and has them now")
    if done.is_rebuilt:
        err.print("the table was made anew from the seals")
    if not (done.adopted or done.caught_up or done.is_rebuilt):
        err.print("seals and table agree")
