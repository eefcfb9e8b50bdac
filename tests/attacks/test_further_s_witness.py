"""A witness reads the stream that S has signed under the producer id of another service's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.reader import RawRecord
from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import PASSPHRASE, Site
from tests.support.written_trail import Signer

MARKETING = Signer(2, "marketing-2026")


class Watched:
    """A site whose auditor and witness have a trust file that gives each key its own service.

    Args:
        site: The site.
    """

    def __init__(self, site: Site) -> None:
        self._keys: tuple[dict[str, Any], ...] = (
            {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
            {"public": MARKETING.public_key, "roles": ["service"], "sources": ["/production/marketing"]},
        )
        self.site = site
        self.rosters = site.folder / "rosters"
        self.trust = trust_file(site.folder / "trust.toml", *self._keys)
        self.payments = site.writer()
        self.marketing = self.forger()

    def distrust_marketing(self) -> None:
        """Take marketing's key out of the trust file."""
        self.trust = trust_file(self.site.folder / "trust.toml", self._keys[0])

    def forger(self) -> Writer:
        """Return what seals and signs for marketing, as its key may, under the producer id of payments' process."""
        return self.site.writer(service="marketing", producer=self.payments.producer, signer=MARKETING)

    def look(self, site: Site | None = None) -> int:
        """Have the witness look once; return its exit code."""
        return (site or self.site).run_witness(self.rosters, *self.trust).code

    def findings(self, site: Site | None = None) -> dict[str, list[str]]:
        """Return the verdicts of the findings by source, those of the trail itself below an empty one."""
        witness = SigningKey.load(self.rosters.with_name("witness-key"), PASSPHRASE).public_key
        required = ("--require-witness", witness, "--roster", self.rosters.absolute().as_uri())
        report = (site or self.site).verify(*self.trust, *required).report
        found = {each["source"]: each["findings"] for each in report["producers"]} | {"": report["findings"]}
        return {source: [finding["verdict"] for finding in findings] for source, findings in found.items()}

    def published(self) -> set[Path]:
        """Return the files of the rosters."""
        return set(self.rosters.rglob("*.roster"))


@pytest.fixture
def watched(site: Site) -> Watched:
    return Watched(site)


def lives(watched: Watched, *, ends: bool) -> tuple[list[RawRecord], list[RawRecord]]:
    """Return marketing's stream and payments', of different lengths."""
    forged = [watched.marketing.event("newsletter_sent") for _ in range(3)]
    genuine = [watched.payments.event("wire_transfer") for _ in range(6)]
    return (
        [*forged, watched.marketing.checkpoint(final=ends)],
        [*genuine, watched.payments.checkpoint(final=True)],
    )


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
def test_stream_of_another_service_stops_no_witness(watched: Watched, ends: bool) -> None:
    forged, genuine = lives(watched, ends=ends)

    watched.site.put(forged)
    first = watched.look()
    watched.site.put(genuine)
    second = watched.look()

    assert (first, second) == (0, 0)
    assert watched.findings()["/production/payments"] == []


def test_both_streams_in_one_round_are_witnessed(watched: Watched) -> None:
    forged, genuine = lives(watched, ends=False)
    watched.site.put([*forged, *genuine])

    assert watched.look() == 0
    assert watched.findings()["/production/payments"] == []


def test_lost_state_of_both_streams_is_rebuilt(watched: Watched) -> None:
    forged, genuine = lives(watched, ends=False)
    watched.site.put([*forged, *genuine])
    first = watched.look()
    watched.rosters.with_name("witness-key.witness-state").unlink()

    assert (first, watched.look()) == (0, 0)
    assert watched.findings()["/production/payments"] == []


@pytest.mark.parametrize("first", ["marketing", "payments"])
def test_other_stream_hides_no_deleted_stream(watched: Watched, first: str) -> None:
    """What is left under the producer id is marketing's; the witness saw payments' too, and in either order."""
    forged, genuine = lives(watched, ends=True)
    for records in (forged, genuine) if first == "marketing" else (genuine, forged):
        watched.site.put(records)
        assert watched.look() == 0

    padding = watched.site.writer(2).run(12)
    with watched.site.rewritten([*forged, *padding]) as attacked:
        found = watched.findings(attacked)

    assert "missing" in found[""]
    assert found["/production/marketing"] == []


@pytest.mark.parametrize("forger", ["marketing", "payments"])
def test_second_history_beside_another_stream_is_refused(watched: Watched, forger: str) -> None:
    forged, genuine = lives(watched, ends=True)
    watched.site.put([*forged, *genuine])
    assert watched.look() == 0
    published = watched.published()

    rival = watched.site.writer() if forger == "payments" else watched.forger()
    events = [rival.event("nothing_happened") for _ in range(6 if forger == "payments" else 3)]
    watched.site.put([*events, rival.checkpoint(final=True)])

    assert watched.look() == 3
    assert watched.published() == published


def test_witness_goes_on_without_the_forgers_key(watched: Watched) -> None:
    """Marketing signs two histories of its own stream, and stops the witness of all until its key is trusted no more."""
    forged, genuine = lives(watched, ends=False)
    rival = watched.forger()
    watched.site.put([*forged, *[rival.event("nothing_happened") for _ in range(3)], rival.checkpoint(), *genuine])
    refused = watched.look()

    watched.distrust_marketing()

    assert (refused, watched.look()) == (3, 0)
    (roster,) = watched.published()
    assert b" /production/payments" in roster.read_bytes()
    assert b" /production/marketing" not in roster.read_bytes()
