"""R seals an event with a data key of the process itself, for a number that the checkpoints say another key has sealed."""

from __future__ import annotations

import json

import pytest

from telemetry.reader import RawRecord
from tests.attacks.forge import SealingKey
from tests.attacks.site import Site


def forged(site: Site, *, leaves: bool) -> list[RawRecord]:
    """Return the life of a process that changed its data key after five events, and what R sealed with both keys."""
    first, second = (SealingKey(site.keys.provider, "/production/payments") for _ in range(2))
    process = site.writer(key=first)
    life = process.run(5, end=False)
    life.append(process.checkpoint())
    process.key = second
    life += process.run(5)
    early = site.writer(key=second, producer=process.producer, first=2).event("wire_transfer")
    late = site.writer(key=first, producer=process.producer, first=7).event("wire_transfer")
    kept = life if leaves else [record._replace(headers=()) for record in life]
    return [early, *kept, late]


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "records alone"])
@pytest.mark.parametrize("command", ["export", "tail"])
def test_key_outside_of_its_span_shows_no_event(site: Site, command: str, leaves: bool) -> None:
    site.put(forged(site, leaves=leaves))

    ended = site.run(command, "--public-key", site.keys.public_key, *(["--json"] if command == "tail" else []))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    events = [(each["event_type"], each["proven"]) for each in shown if each.get("event_type")]
    assert events == [("payment", "yes")] * 10
    assert ended.err.count("its data key is not the one that its process lists") == 2
    assert ended.code == 3


@pytest.mark.parametrize("command", ["export", "tail"])
def test_key_that_was_replaced_shows_no_event_after_the_last_checkpoint(site: Site, command: str) -> None:
    """The process still runs, so nothing says yet what its next numbers are; but it does not go back to a former key."""
    first, second = (SealingKey(site.keys.provider, "/production/payments") for _ in range(2))
    process = site.writer(key=first)
    life = [*process.run(5, end=False), process.checkpoint()]
    process.key = second
    life += [*process.run(5, end=False), process.checkpoint()]
    late = site.writer(key=first, producer=process.producer, first=12).event("wire_transfer")
    honest = [process.event("refund") for _ in range(2)]
    site.put([*life, *honest, late])

    ended = site.run(command, "--public-key", site.keys.public_key, *(["--json"] if command == "tail" else []))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    events = [(each["event_type"], each["proven"]) for each in shown if each.get("event_type")]
    assert events == [("payment", "yes")] * 10 + [("refund", "pending")] * 2
    assert ended.err.count("has gone on to another data key") == 1
    assert ended.code == 3
