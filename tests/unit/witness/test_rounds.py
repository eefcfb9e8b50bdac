from __future__ import annotations

from datetime import datetime

import pytest

from telemetry.exceptions import SecondHistoryError, StorageUnreachableError, TelemetryError, TransportError
from telemetry.witness.rounds import Rounds
from telemetry.witness.witness import Round


class Scripted:
    """A witness whose rounds fail as a script says, and which stops after the last one."""

    def __init__(self, *script: TelemetryError | None) -> None:
        self._script = list(script)
        self.rounds = Rounds(self, seconds=0.001, listener=self)
        self.seen: list[Round] = []

    def look(self, *, now: datetime) -> Round:  # noqa: ARG002 - it asks no clock
        error = self._script.pop(0)
        if not self._script:
            self.rounds.stop()
        if error is not None:
            raise error
        return Round(records=0, streams=0, rosters=1, size=len(self.seen) + 1, time="")

    def done(self, result: Round) -> None:
        self.seen.append(result)


def test_outage_is_survived() -> None:
    scripted = Scripted(None, TransportError("away"), StorageUnreachableError("away"), None)

    scripted.rounds.run()

    assert [each.size for each in scripted.seen] == [1, 2]


def test_second_history_ends_the_rounds() -> None:
    scripted = Scripted(None, SecondHistoryError("two roots"), None)

    with pytest.raises(SecondHistoryError):
        scripted.rounds.run()
    assert len(scripted.seen) == 1
