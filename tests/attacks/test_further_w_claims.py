"""W writes records that claim to be one event, to a partition that is read before the event's own."""

from __future__ import annotations

import json
from pathlib import Path

from telemetry.format.value.message import parse
from telemetry.reader import RawRecord
from tests.attacks.forge import Writer
from tests.attacks.site import Site
from tests.support.in_process import run


def claims(event_id: str, count: int) -> list[RawRecord]:
    """Return records of invented producers that all have the id of the event."""
    records = []
    for number in range(count):
        record = Writer(1_000 + number).event()
        own = str(parse(record.value or b"").attributes["id"])
        records.append(record._replace(value=(record.value or b"").replace(own.encode(), event_id.encode())))
    return records


def test_event_is_proven_among_a_hundred_claims(site: Site, tmp_path: Path) -> None:
    payments = Writer(signer=site.keys.signing)
    honest = payments.run(3)
    event_id = str(parse(honest[1].value or b"").attributes["id"])
    site.put([*claims(event_id, 100), *honest])
    file = tmp_path / "proof.json"

    ended = site.run("prove", event_id, "--public-key", site.keys.public_key, "--out", str(file))

    assert ended.code == 0, ended.err
    checked = run("verify-proof", str(file), "--json", "--public-key", site.keys.public_key, "--event-id", event_id)
    assert json.loads(checked.out)["producer"] == payments.producer
