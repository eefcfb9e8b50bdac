from __future__ import annotations

import json

import pytest

from telemetry.reader import OpenedEvent, RawRecord
from telemetry.trail import open_trail
from tests.attacks.forge import Writer
from tests.attacks.site import Site

HONEST = ["user_login"] * 3 + ["wire_transfer"] * 3


def displacing(site: Site, victim: Writer) -> list[RawRecord]:
    """Return events of marketing, genuinely sealed for marketing, with the next numbers of payments' producer."""
    forger = site.writer(service="marketing", producer=victim.producer, first=victim.sequence)
    return [forger.event("newsletter_sent") for _ in range(3)]


@pytest.fixture
def attacked(site: Site) -> Site:
    payments = site.writer()
    before = [payments.event("user_login") for _ in range(3)]
    forged = displacing(site, payments)
    after = [payments.event("wire_transfer") for _ in range(3)]
    site.put([*before, *forged, *after, payments.checkpoint(final=True)])
    return site


def test_trail_shows_events_that_another_service_claims(attacked: Site) -> None:
    with open_trail(attacked.config()) as trail:
        events = [entry.event for entry in trail if isinstance(entry, OpenedEvent)]
        dropped = trail.duplicates_dropped

    assert [event.event_type for event in events if event.service_name == "payments"] == HONEST
    assert dropped == 0


@pytest.mark.parametrize("command", ["export", "tail"])
def test_output_has_events_that_another_service_claims(attacked: Site, command: str) -> None:
    ended = attacked.run(command, *(["--json"] if command == "tail" else []))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["event_type"] for each in shown if each["service_name"] == "payments"] == HONEST
    assert "conflict" in ended.err
    assert ended.code == 3


def test_events_that_another_service_claims_are_proven(attacked: Site) -> None:
    ended = attacked.run("export", "--public-key", attacked.keys.public_key)

    shown = [json.loads(line) for line in ended.out.splitlines()]
    proven = [each["event_type"] for each in shown if each["service_name"] == "payments" and each["proven"] == "yes"]
    assert proven == HONEST
    assert not [each for each in shown if each["service_name"] == "marketing" and each["proven"] == "yes"]
