"""B waits until an auditor has acknowledged a harmless rival of a record, and then deletes the record."""

from __future__ import annotations

from telemetry.encryption.signing_key import SigningKey
from tests.attacks.forge import Writer, rival, trust_file
from tests.attacks.site import PASSPHRASE, Site


def test_record_is_deleted_behind_an_acknowledged_rival(site: Site) -> None:
    payments, key = Writer(signer=site.keys.signing), site.folder / "auditor"
    auditor = SigningKey.create(key, PASSPHRASE, name="auditor")
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": auditor.public_key, "roles": ["auditor"]},
    )
    records = payments.run(6, every=3)
    forged = rival(records[1], 1)
    site.put([*records, forged])
    red = site.verify(*trust)
    known = site.acknowledge(*[each["id"] for each in red.of(payments.producer)["findings"]], by=key)

    with site.rewritten([records[0], *records[2:], forged]) as attacked:
        verified = attacked.verify(*trust, *known)

    assert (red.code, site.verify(*trust, *known).code) == (3, 0)
    assert verified.code in (3, 4)
    assert verified.proven(payments.producer) == 5
