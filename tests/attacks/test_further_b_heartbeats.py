"""B keeps a process alive that it has cut off, and takes the leaves from the checkpoints."""

from __future__ import annotations

from datetime import timedelta

from tests.attacks.forge import LEAVES_HEADER, Writer, rival
from tests.attacks.site import Site


def test_heartbeat_that_is_replayed_is_no_sign_of_life(site: Site) -> None:
    payments = Writer(signer=site.keys.signing)
    payments.clock -= timedelta(hours=1)
    lived = payments.run(4, every=2, end=False)
    heartbeat = payments.checkpoint()
    cut_off = [payments.event("wire_transfer"), payments.checkpoint(final=True)]
    site.put([*lived, *[heartbeat] * 50])

    verified = site.verify("--live", "600")

    assert len(cut_off) == 2
    assert (verified.code, verified.verdict) == (4, "truncated")
    assert not verified.of(payments.producer)["is_open"]


def test_leaves_that_are_exchanged_prove_nothing_and_spoil_nothing(site: Site) -> None:
    """Leaves of another interval, of another producer, too many, none; each process then is proven by its records."""
    kinds = {
        "junk": b"\x01junk",
        "huge": b"\x01" + bytes(200_000),
        "empty": b"",
        "of another": Writer(99).run(5, every=5)[5].headers[0][1],
    }
    honest = []
    for number, content in enumerate(kinds.values(), start=1):
        records = Writer(number, signer=site.keys.signing).run(5, every=5)
        changed = ((LEAVES_HEADER, content),)
        honest += [record._replace(headers=changed) if record.headers else record for record in records]
    site.put([*honest, rival(honest[0], 1)])

    verified = site.verify()

    assert verified.report["proven"] == 5 * len(kinds)
    assert verified.code == 3
    assert [each["verdict"] for each in verified.report["producers"]] == ["tampered", *["complete"] * 3]


def test_first_of_two_leaves_headers_hides_no_other(site: Site) -> None:
    """Both are there: the one that the root proves counts, so that a thousand rivals are judged without a trial."""
    payments = Writer(signer=site.keys.signing)
    records = payments.run(4, every=4)
    doubled = [
        record._replace(headers=((LEAVES_HEADER, b"\x01junk"), *record.headers)) if record.headers else record
        for record in records
    ]
    rivals = [rival(record, number) for record in records[:4] for number in range(20)]
    site.put([*rivals, *doubled])

    verified = site.verify()

    assert verified.proven(payments.producer) == 4
