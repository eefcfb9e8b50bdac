from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.format.proof.inclusion import encode_proof
from telemetry.reader.prove.prover import Prover
from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import Site
from tests.support.in_process import run
from tests.support.written_trail import Signer

PAYMENTS = Signer(1, "payments-2026")
MARKETING = Signer(2, "marketing-2026")
AUDITOR = Signer(3, "auditors-laptop")
KEYS: tuple[dict[str, Any], ...] = (
    {"public": PAYMENTS.public_key, "roles": ["service"], "sources": ["/production/payments"]},
    {"public": MARKETING.public_key, "roles": ["service"], "sources": ["/production/marketing"]},
    {"public": AUDITOR.public_key, "roles": ["reader"], "sources": ["/*/telemetry-reader"]},
)


def trusted(site: Site) -> tuple[str, str]:
    """Return the options of an auditor who knows which key is for which service."""
    return trust_file(site.folder / "trust.toml", *KEYS)


def test_key_of_marketing_closes_payments(site: Site) -> None:
    payments, marketing = Writer(1, signer=PAYMENTS), Writer(2, signer=MARKETING, service="marketing")
    cut_off = payments.run(4, every=2, end=False)
    end = payments.checkpoint(final=True, signer=MARKETING)
    site.put([*cut_off, end, *marketing.run(2)])

    verified = site.verify(*trusted(site))

    assert verified.verdict not in ("complete", "foreign")
    assert verified.code in (3, 4)
    assert not verified.of(payments.producer)["is_closed"]
    assert verified.proven(marketing.producer) == 2


def test_key_of_marketing_rewrites_payments(site: Site) -> None:
    honest, forged = Writer(1, signer=PAYMENTS), Writer(2, signer=MARKETING, service="payments")
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trusted(site))

    assert verified.proven(honest.producer) == 3
    assert verified.proven(forged.producer) == 0
    assert not verified.of(forged.producer).get("keys")


def test_key_of_a_reader_signs_for_payments(site: Site) -> None:
    forged = Writer(1, signer=AUDITOR, service="payments")
    site.put(forged.run(3))

    verified = site.verify(*trusted(site))

    assert verified.verdict != "complete"
    assert verified.proven(forged.producer) == 0


@pytest.mark.parametrize("role", ["reader", "witness", "archiver", "auditor"])
def test_key_of_another_role_signs_for_payments(site: Site, role: str) -> None:
    """Its sources would allow it; what it is for does not."""
    other = Signer(5, "of-another-role")
    key = {"public": other.public_key, "roles": [role], "sources": ["/production/*"]}
    honest, forged = Writer(1, signer=PAYMENTS), Writer(2, signer=other, service="payments")
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust_file(site.folder / "trust.toml", KEYS[0], key))

    assert verified.proven(honest.producer) == 3
    assert verified.proven(forged.producer) == 0


def test_key_of_marketing_proves_an_event_that_never_was(site: Site) -> None:
    forged = Writer(1, signer=MARKETING, service="payments")
    prover = Prover(forged.producer, 0, trusted=[MARKETING.public])
    prover.observe_all([forged.event("wire_transfer"), forged.checkpoint(final=True)])
    file = site.folder / "forged.proof.json"
    file.write_bytes(encode_proof(prover.proof()))

    ended = run("verify-proof", str(file), *trusted(site))

    assert ended.code == 3
    assert MARKETING.name in ended.err


def test_proof_names_the_key_that_signed_it(site: Site) -> None:
    honest = Writer(1, signer=PAYMENTS)
    prover = Prover(honest.producer, 0, trusted=[PAYMENTS.public])
    prover.observe_all([honest.event("wire_transfer"), honest.checkpoint(final=True)])
    file = site.folder / "honest.proof.json"
    file.write_bytes(encode_proof(prover.proof()))

    shown = run("verify-proof", str(file), *trusted(site))
    facts = run("verify-proof", str(file), "--json", *trusted(site))

    assert (shown.code, facts.code) == (0, 0)
    assert PAYMENTS.name in shown.out.decode()
    assert PAYMENTS.name in json.dumps(json.loads(facts.out))
