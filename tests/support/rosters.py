"""Writes rosters as a witness leaves them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from telemetry.format.proof.merkle import Frontier
from telemetry.format.roster.entries import RangeEntry, SealEntry, StreamEntry
from telemetry.format.roster.roster import Roster, encode_roster, sign_roster
from tests.support.written_trail import START, TOPIC, Process, Signer

WITNESS = Signer(7, "witness")


class Witnessing:
    """The log of a witness.

    Args:
        signer: Its key.
    """

    def __init__(self, signer: Signer = WITNESS) -> None:
        self.signer = signer
        self.log = Frontier()
        self.clock = START
        self.rosters: list[Roster] = []

    def sign(
        self, *entries: StreamEntry | RangeEntry | SealEntry | str, later: timedelta = timedelta(minutes=5)
    ) -> Roster:
        """Return the next roster."""
        self.clock += later
        time = self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        roster = sign_roster(self.log, [str(entry) for entry in entries], time=time, signer=self.signer)
        self.log = roster.tree()
        self.rosters.append(roster)
        return roster

    @property
    def documents(self) -> list[bytes]:
        """The rosters as they are published."""
        return documents(self.rosters)


def documents(rosters: Iterable[Roster]) -> list[bytes]:
    """Return rosters as they are published."""
    return [encode_roster(roster) for roster in rosters]


def stream(process: Process, *, offset: int = 0, is_closed: bool = False, is_chained: bool = True) -> StreamEntry:
    """Return what a witness says of a process at this moment."""
    return StreamEntry(
        producer=process.producer,
        size=process.tree.size,
        root=process.tree.root(),
        is_closed=is_closed,
        is_chained=is_chained,
        signer=process.signer.public.key_id.hex(),
        topic=TOPIC,
        partition=0,
        offset=offset,
        source=process.source,
    )


def read_up_to(end: int, *, low: int = 0, start: int = 0, partition: int = 0) -> RangeEntry:
    """Return what a witness says of a read range."""
    return RangeEntry(topic=TOPIC, partition=partition, low=low, start=start, end=end)
