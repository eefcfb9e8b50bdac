"""S signs a stream of its own service, with its own key, under the producer id of another service's process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.reader import RawRecord
from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

MARKETING = Signer(2, "marketing-2026")


def trusted(site: Site) -> tuple[str, str]:
    """Return the options of an auditor whose trust file gives each key its own service."""
    keys: tuple[dict[str, Any], ...] = (
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": MARKETING.public_key, "roles": ["service"], "sources": ["/production/marketing"]},
    )
    return trust_file(site.folder / "trust.toml", *keys)


def attacked(site: Site, *, ends: bool) -> tuple[Writer, list[RawRecord]]:
    """Return payments' process, and the trail on which marketing has signed before its first checkpoint.

    Everything that marketing does is permitted to it: it seals for marketing and signs for marketing.
    """
    payments = site.writer()
    before = [payments.event("wire_transfer") for _ in range(3)]
    forger = site.writer(service="marketing", producer=payments.producer, signer=MARKETING)
    forged = [forger.event("newsletter_sent") for _ in range(3)]
    after = [payments.event("wire_transfer") for _ in range(3)]
    end = payments.checkpoint(final=True)
    return payments, [*before, *forged, forger.checkpoint(final=ends), *after, end]


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
def test_stream_of_another_service_disproves_no_event_in_an_export(site: Site, ends: bool) -> None:
    _, records = attacked(site, ends=ends)
    site.put(records)

    ended = site.run("export", *trusted(site))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["proven"] for each in shown if each["event_type"] == "wire_transfer"] == ["yes"] * 6


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
def test_stream_of_another_service_spoils_no_verification(site: Site, ends: bool) -> None:
    payments, records = attacked(site, ends=ends)
    site.put(records)

    verified = site.verify(*trusted(site))

    report = next(each for each in verified.report["producers"] if each["source"] == "/production/payments")
    assert (report["producer"], report["proven"], report["verdict"]) == (payments.producer, 6, "complete")
    assert [key.partition("+")[0] for key in report["keys"]] == [site.keys.signing.name]
