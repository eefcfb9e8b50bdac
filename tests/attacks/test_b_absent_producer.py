from __future__ import annotations

from tests.attacks.forge import Writer
from tests.attacks.site import Site


def test_deleted_producer_is_missing_where_two_are_expected(site: Site) -> None:
    left, _deleted = (Writer(number, signer=site.keys.signing) for number in (1, 2))
    site.put(left.run(3))

    whole = site.verify("--expect", "/production/payments:1")
    verified = site.verify("--expect", "/production/payments:2")

    assert (whole.code, verified.code) == (0, 4)
    assert verified.verdict == "missing"
    assert "/production/payments" in verified.findings


def test_deleted_service_is_missing_where_it_is_expected(site: Site) -> None:
    site.put(Writer(1, signer=site.keys.signing).run(3))

    verified = site.verify("--expect", "/production/payments", "--expect", "/production/treasury")

    assert verified.code == 4
    assert "/production/treasury" in verified.findings


def test_deleted_producer_is_missing_for_a_witness(site: Site) -> None:
    left, deleted = (Writer(number, signer=site.keys.signing) for number in (1, 2))
    honest = left.run(3)
    site.put([*honest, *deleted.run(3)])
    required = site.witness(site.folder / "rosters")

    with site.rewritten(honest) as attacked:
        verified = attacked.verify(*required)

    assert site.verify(*required).code == 0
    assert verified.code == 4
    assert deleted.producer in str(verified.report)
    assert verified.proven(left.producer) == 3


def test_end_of_a_process_that_never_came_back_is_missing_for_a_witness(site: Site) -> None:
    """Every process was killed without a final checkpoint, so ``truncated`` alone says nothing about the attack."""
    killed = Writer(1, signer=site.keys.signing)
    lived = killed.run(6, every=3, end=False)
    site.put(lived)
    required = site.witness(site.folder / "rosters")

    with site.rewritten(lived[:4]) as attacked:
        verified = attacked.verify(*required, "--live", "3600")

    assert site.verify(*required, "--live", "3600").code == 0
    assert verified.code == 4
    assert "witness" in verified.findings
