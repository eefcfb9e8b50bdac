"""S records reads that never were, in the name of the readers, with the key of its service."""

from __future__ import annotations

import pytest

from tests.attacks.forge import Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

OPERATIONS = Signer(2, "operations-2026")


@pytest.mark.parametrize("service", ["telemetry-reader", "telemetry-witness"])
def test_key_of_a_service_signs_no_stream_of_another_role(site: Site, service: str) -> None:
    """Its sources are all of production; the streams of readers and witnesses are not services."""
    honest, forged = Writer(1, signer=site.keys.signing), Writer(2, service=service, signer=OPERATIONS)
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": OPERATIONS.public_key, "roles": ["service", "gateway"], "sources": ["/production/*"]},
    )
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust)

    assert verified.code == 4
    assert verified.proven(forged.producer) == 0
    assert f"/production/{service}" in verified.findings


@pytest.mark.parametrize(
    "source", ["/production/payment%73", "/production/Payments", "/production/p\u0430yments", "/production/payments/"]
)
def test_source_that_looks_like_another_counts_for_none(site: Site, source: str) -> None:
    """The same name in another spelling: percent-encoded, with another case, with a letter of another alphabet."""
    honest, forged = Writer(1, signer=site.keys.signing), Writer(2, signer=OPERATIONS)
    forged.source = source
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": OPERATIONS.public_key, "roles": ["service"], "sources": ["/production/ops*"]},
    )
    site.put([*honest.run(3), *forged.run(3)])

    verified = site.verify(*trust, "--expect", "/production/payments:2")

    assert verified.code == 4
    assert verified.proven(forged.producer) == 0
    assert "1 producers of /production/payments" in verified.findings
