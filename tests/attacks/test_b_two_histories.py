from __future__ import annotations

from tests.attacks.forge import Writer
from tests.attacks.site import Site


def test_two_auditors_see_two_histories(site: Site) -> None:
    """One producer and one key, two histories: the one that the witness saw, and the one that an auditor is shown."""
    one, other = (Writer(1, signer=site.keys.signing) for _ in range(2))
    site.put([one.event("wire_transfer"), one.checkpoint(final=True)])
    required = site.witness(site.folder / "rosters")

    with site.rewritten([other.event("nothing_happened"), other.checkpoint(final=True)]) as attacked:
        verified = attacked.verify(*required)

    assert site.verify(*required).code == 0
    assert verified.code == 3
    assert verified.verdict == "tampered"
    assert "witness" in verified.findings


def test_past_is_rewritten_with_the_services_own_key(site: Site) -> None:
    """Who took the service's host at some time rewrites what was logged before it."""
    honest, rewritten = (Writer(1, signer=site.keys.signing) for _ in range(2))
    site.put([honest.event("wire_transfer"), honest.checkpoint()])
    required = site.witness(site.folder / "rosters")

    with site.rewritten(rewritten.run(5)) as attacked:
        verified = attacked.verify(*required)

    assert verified.code == 3
    assert "witness" in verified.findings


def test_witness_refuses_to_sign_a_second_history(site: Site) -> None:
    one, other = (Writer(1, signer=site.keys.signing) for _ in range(2))
    rosters = site.folder / "rosters"
    site.put([one.event("wire_transfer"), one.checkpoint(final=True)])
    site.witness(rosters)
    published = {file.name: file.read_bytes() for file in rosters.rglob("*") if file.is_file()}

    with site.rewritten([other.event("nothing_happened"), other.checkpoint(final=True)]) as attacked:
        ended = attacked.run_witness(rosters)

    assert ended.code not in (0, 2)
    assert {file.name: file.read_bytes() for file in rosters.rglob("*") if file.is_file()} == published
