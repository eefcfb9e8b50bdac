"""S lists the data key of another service in a checkpoint of its own, so that R may seal with it unnoticed."""

from __future__ import annotations

import json
from typing import Any

from tests.attacks.forge import SealingKey, Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

MARKETING = Signer(2, "marketing-2026")


def test_key_that_another_service_lists_is_still_refused_elsewhere(site: Site) -> None:
    keys: tuple[dict[str, Any], ...] = (
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": MARKETING.public_key, "roles": ["service"], "sources": ["/production/marketing"]},
    )
    stolen = SealingKey(site.keys.provider, "/production/payments")
    payments = site.writer(key=stolen)
    # Marketing has the name of the key from the header of any event, and not the key.
    marketing = Writer(2, service="marketing", signer=MARKETING, key=stolen)
    reader = Writer(3, key=stolen)
    forged = reader.event("wire_transfer")
    site.put([*marketing.run(1), *payments.run(3), forged])

    ended = site.run("export", *trust_file(site.folder / "trust.toml", *keys))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["event_type"] for each in shown if each["service_name"] == "payments"] == ["payment"] * 3
    assert "its data key belongs to another process" in ended.err
    assert ended.code == 3
