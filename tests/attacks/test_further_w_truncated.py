"""W writes records after the last signed one of a process that crashed: foreign x truncated."""

from __future__ import annotations

from telemetry.encryption.signing_key import SigningKey
from telemetry.reader import RawRecord
from tests.attacks.forge import Writer, rival, trust_file
from tests.attacks.site import PASSPHRASE, Site, Verified
from tests.support.written_trail import Signer


def test_records_after_the_last_signed_one_close_no_stream(site: Site) -> None:
    """Nor does the final checkpoint of a stranger, which proves nothing."""
    crashed = Writer(1, signer=site.keys.signing)
    lived = crashed.run(4, every=2, end=False)
    junk = [crashed.event(f"junk {number}") for number in range(3)]
    site.put([*lived, *junk, crashed.checkpoint(final=True, signer=Signer(9, "stranger"))])

    verified = site.verify()

    assert (verified.code, verified.verdict) == (4, "truncated")
    assert verified.proven(crashed.producer) == 4
    assert not verified.of(crashed.producer)["is_closed"]


def test_records_after_a_signed_end_are_counted_as_foreign(site: Site) -> None:
    ended = Writer(1, signer=site.keys.signing)
    site.put([*ended.run(4, every=2), *[ended.event(f"junk {number}") for number in range(3)]])

    verified = site.verify()

    assert verified.code == 0
    assert verified.report["foreign"]["counts"] == {"beyond": 3}


def acknowledged_crash(site: Site, crashed: Writer, lived: list[RawRecord]) -> tuple[Verified, tuple[str, ...]]:
    """Put what a crashed process has left on the topic, and have an auditor acknowledge the crash.

    Returns:
        The verification before, and the options of one after it.
    """
    key = site.folder / "auditor"
    auditor = SigningKey.create(key, PASSPHRASE, name="auditor")
    trust = trust_file(
        site.folder / "trust.toml",
        {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/payments"]},
        {"public": auditor.public_key, "roles": ["auditor"]},
    )
    site.put(lived)
    red = site.verify(*trust)
    acknowledged = site.acknowledge(*[finding["id"] for finding in red.of(crashed.producer)["findings"]], by=key)
    return red, (*trust, *acknowledged)


def test_acknowledged_crash_stays_acknowledged_when_junk_follows_it(site: Site) -> None:
    crashed = Writer(1, signer=site.keys.signing)
    lived = crashed.run(4, every=2, end=False)
    red, options = acknowledged_crash(site, crashed, lived)

    green = site.verify(*options)
    site.put([crashed.event("junk")])
    after_junk = site.verify(*options)
    site.put([rival(lived[0], 1)])
    after_rival = site.verify(*options)

    assert [red.code, green.code, after_junk.code, after_rival.code] == [4, 0, 0, 3]


def test_acknowledged_crash_is_red_again_when_more_is_cut_off(site: Site) -> None:
    crashed = Writer(1, signer=site.keys.signing)
    lived = crashed.run(4, every=2, end=False)
    red, options = acknowledged_crash(site, crashed, lived)

    with site.rewritten(lived[:3]) as attacked:
        cut_off = attacked.verify(*options)

    assert (red.code, cut_off.code) == (4, 4)
