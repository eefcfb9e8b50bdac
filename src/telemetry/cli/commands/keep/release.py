"""Implements ``telemetry archive release``: ends a legal hold."""

from __future__ import annotations

from typing import Annotated

import typer

from telemetry.archive.upkeep.holds.hold import Release
from telemetry.archive.upkeep.holds.keeping import now_text, put_release
from telemetry.archive.upkeep.holds.signing import open_hold_keeper
from telemetry.cli.archiving.upkeep import ArchivePlace, AsJson, UpkeepLines
from telemetry.cli.options.connection import Loader, with_connection
from telemetry.cli.output.examples import examples
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.uuid7 import is_uuid
from telemetry.trail.read_event import os_user

app = typer.Typer(add_completion=False)


@app.command(
    "release",
    epilog=examples(
        'telemetry archive release 019c1180-09ad-7383-9790-0a5e588d6c7f --reason "case closed" -c telemetry.toml'
    ),
)
@with_connection
def release(
    load: Loader,
    hold: Annotated[str, typer.Argument(metavar="ID", help="Id of the hold, as `hold --list` shows it.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it ends.")],
    archive: ArchivePlace = None,
    json: AsJson = False,
) -> None:
    """End a legal hold; a hold that is not believed, so that it blocks all upkeep, ends as well.

    Hold and release stay beside the seals, signed, for anyone who asks later.

    Exit code: 0, 3 when a seal is not believed, 6 when the store fails or the hold was released before.
    """
    if not is_uuid(hold):
        raise ConfigurationError(Problem("ID", "is no id of a hold", "`telemetry archive hold --list` shows them"))
    config = load(encryption_enabled=False, fallback_enabled=False)
    with open_hold_keeper(config, archive) as keeper:
        end = Release(id=hold, archive=keeper.archive, time=now_text(), by=os_user(), reason=reason)
        put_release(keeper.store, end, keeper.signer)
    lines = UpkeepLines(("id", "released", "by", "reason"), json=json)
    lines.add(id=end.id, released=end.time, by=end.by, reason=end.reason)
    lines.show()
