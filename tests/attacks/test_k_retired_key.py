from __future__ import annotations

from typing import Any

import pytest

from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

NEW = Signer(1, "payments-2026")
OLD = Signer(4, "payments-2024")
KEYS: tuple[dict[str, Any], ...] = (
    {"public": NEW.public_key, "roles": ["service"], "sources": ["/production/payments"]},
    {
        "public": OLD.public_key,
        "roles": ["service"],
        "sources": ["/production/payments"],
        "not_before": "2023-12-01T00:00:00Z",
        "not_after": "2024-12-31T00:00:00Z",
    },
)


@pytest.mark.xfail(strict=True, reason="a public key has no end date")
def test_key_that_was_rotated_out_signs_today(site: Site) -> None:
    honest, forged = Writer(1, signer=NEW), Writer(2, signer=OLD)
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust_file(site.folder / "trust.toml", *KEYS))

    assert verified.proven(honest.producer) == 3
    assert verified.proven(forged.producer) == 0
    assert not verified.of(forged.producer).get("keys")


@pytest.mark.xfail(strict=True, reason="a stolen key cannot be revoked")
def test_revoked_key_signs_under_an_earlier_date(site: Site) -> None:
    stolen = {**KEYS[0], "revoked_from": "2026-02-01T00:00:00Z"}
    forged = Writer(1, signer=NEW)
    # The thief dates everything before the revocation; Kafka appends it after that.
    events = [forged.event(time="2026-01-15T00:00:00.000000Z") for _ in range(3)]
    site.put([*events, forged.checkpoint(final=True, time="2026-01-15T00:00:01.000000Z")])

    verified = site.verify(*trust_file(site.folder / "trust.toml", stolen))

    assert verified.verdict != "complete"
    assert verified.proven(forged.producer) == 0
