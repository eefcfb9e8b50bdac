"""K has a stolen key, and the auditor takes it out of the trust file, or has it there twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

STOLEN = Signer(4, "payments-2025")
THEFT = "2026-02-01T00:00:00Z"
KEY: dict[str, Any] = {"public": STOLEN.public_key, "roles": ["service"], "sources": ["/production/payments"]}


def own(site: Site) -> dict[str, Any]:
    """Return the entry of the key that the service has now."""
    return {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]}


@pytest.mark.parametrize("order", [1, -1], ids=["revoked first", "revoked last"])
def test_key_that_one_entry_revokes_is_admitted_by_no_other(site: Site, order: int) -> None:
    """The key is in wrong hands, whatever it was for."""
    entries = [{**KEY, "revoked_from": THEFT}, {**KEY, "sources": ["/production/*"]}][::order]
    honest, forged = Writer(1, signer=site.keys.signing), Writer(2, signer=STOLEN)
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust_file(site.folder / "trust.toml", own(site), *entries))

    assert verified.proven(forged.producer) == 0
    assert verified.proven(honest.producer) == 3
    assert verified.code == 4


@pytest.mark.parametrize("change", ["revoked", "removed", "given to another service"])
def test_continued_state_believes_no_key_that_is_trusted_no_more(site: Site, change: str) -> None:
    state, file = str(site.folder / "state"), site.folder / "trust.toml"
    honest, forged = Writer(1, signer=site.keys.signing), Writer(2, signer=STOLEN)
    site.put([*honest.run(3), *forged.run(3)])
    before = site.verify(*trust_file(file, own(site), KEY), "--state", state)
    entries: dict[str, list[dict[str, Any]]] = {
        "revoked": [{**KEY, "revoked_from": THEFT}],
        "removed": [],
        "given to another service": [{**KEY, "sources": ["/production/marketing"]}],
    }

    after = site.verify(*trust_file(file, own(site), *entries[change]), "--state", state, "--continue")

    assert (before.code, before.proven(forged.producer)) == (0, 3)
    assert after.code == 4
    assert after.of(forged.producer)["verdict"] == "unverifiable"
    assert after.of(honest.producer)["verdict"] == "complete"


def test_continued_state_goes_on_with_a_key_that_has_ended(site: Site) -> None:
    """What a key signed in time stays proven, also in a state from before its end was written down."""
    state, file = str(site.folder / "state"), site.folder / "trust.toml"
    former = Writer(2, signer=STOLEN, clock=datetime.fromisoformat("2026-01-05T00:00:00Z"))
    site.put(former.run(3))
    before = site.verify(*trust_file(file, own(site), KEY), "--state", state)
    ended = {**KEY, "not_after": "2026-01-31T00:00:00Z"}

    after = site.verify(*trust_file(file, own(site), ended), "--state", state, "--continue")

    assert [before.code, after.code] == [0, 0]
    assert after.proven(former.producer) == 3
