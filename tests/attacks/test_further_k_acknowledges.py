"""K has the key of an auditor: of another service, or one that was revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.acknowledgement import Acknowledgement, sign_acknowledgement
from tests.attacks.forge import Writer, rival, trust_file
from tests.attacks.site import PASSPHRASE, Site


def trusted(site: Site, **auditor: Any) -> tuple[Path, tuple[str, str]]:
    """Return the auditor's key file, and the options of a verifier with an entry for it."""
    key = site.folder / "auditor"
    public = SigningKey.create(key, PASSPHRASE, name="auditor").public_key
    return key, trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/*"]},
        {"public": public, "roles": ["auditor"], **auditor},
    )


def with_a_finding(site: Site, number: int = 1, service: str = "payments") -> Writer:
    """Write a trail with a rival of a signed record."""
    process = Writer(number, service=service, signer=site.keys.signing)
    records = process.run(3)
    site.put([*records, rival(records[0], number)])
    return process


def test_auditor_of_marketing_acknowledges_no_finding_of_payments(site: Site) -> None:
    key, trust = trusted(site, sources=["/production/marketing"])
    payments, marketing = with_a_finding(site), with_a_finding(site, 2, "marketing")
    red = site.verify(*trust)
    ids = [each["id"] for process in (payments, marketing) for each in red.of(process.producer)["findings"]]

    verified = site.verify(*trust, *site.acknowledge(*ids, by=key))

    assert verified.code == 3
    assert verified.of(payments.producer)["findings"]
    assert not verified.of(payments.producer)["acknowledged"]
    assert verified.of(marketing.producer)["acknowledged"]


def test_revoked_auditor_acknowledges_nothing_under_an_earlier_date(site: Site) -> None:
    key, trust = trusted(site, revoked_from="2026-02-01T00:00:00Z")
    payments = with_a_finding(site)
    ids = tuple(each["id"] for each in site.verify(*trust).of(payments.producer)["findings"])
    backdated = Acknowledgement(
        author="a thief", time="2026-01-15T00:00:00Z", expires="2099-01-01T00:00:00Z", reason="nothing", findings=ids
    )
    file = site.folder / "backdated"
    file.write_text(sign_acknowledgement(backdated, SigningKey.load(key, SecretStr(PASSPHRASE))))

    ended = site.run("verify", *trust, "--acknowledged", str(file))

    assert ended.code in (2, 3)
    assert "revoked" in ended.err + ended.out.decode()


def test_acknowledgement_covers_no_other_stream(site: Site) -> None:
    """The same record in the same place of another process."""
    key, trust = trusted(site)
    first = with_a_finding(site)
    known = site.acknowledge(*[each["id"] for each in site.verify(*trust).of(first.producer)["findings"]], by=key)
    second = with_a_finding(site, 2)

    verified = site.verify(*trust, *known)

    assert verified.code == 3
    assert verified.of(first.producer)["acknowledged"]
    assert not verified.of(second.producer)["acknowledged"]
