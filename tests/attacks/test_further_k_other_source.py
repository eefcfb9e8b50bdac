"""K signs records that name another service, in a stream of its own service: nothing seals them, its key proves them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.format.value.message import parse
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


def forged() -> tuple[Writer, list[RawRecord]]:
    """Return events in the clear that name payments, and a checkpoint over them that names marketing."""
    writer = Writer(7, is_sealed=False, signer=MARKETING)
    events = [writer.event("wire_transfer") for _ in range(3)]
    writer.source = "/production/marketing"
    return writer, [*events, writer.checkpoint(final=True)]


@pytest.mark.parametrize("command", ["export", "tail"])
def test_key_of_marketing_proves_no_event_that_names_payments(site: Site, command: str) -> None:
    site.put([*site.writer().run(3), *forged()[1]])

    ended = site.run(command, *trusted(site), *(["--json"] if command == "tail" else []))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["event_type"] for each in shown if each["proven"] == "yes"] == ["payment"] * 3
    assert "foreign" in ended.err


def test_stream_with_events_of_another_service_is_not_complete(site: Site) -> None:
    honest = Writer(1, signer=site.keys.signing)
    writer, records = forged()
    site.put([*honest.run(3), *records])

    verified = site.verify(*trusted(site))

    assert verified.code == 3
    assert "source" in {finding["field"] for finding in verified.of(writer.producer)["findings"]}
    assert verified.of(honest.producer)["verdict"] == "complete"


def test_no_proof_is_written_of_an_event_of_another_service(site: Site) -> None:
    _, records = forged()
    site.put(records)
    event_id = str(parse(records[1].value or b"").attributes["id"])

    ended = site.run("prove", event_id, *trusted(site), "--out", str(site.folder / "proof.json"))
    lineage = site.run("lineage", event_id, "--json", *trusted(site))

    assert ended.code in (3, 4)
    assert '"proven":"yes"' not in lineage.out.decode().replace(" ", "")
