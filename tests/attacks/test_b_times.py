from __future__ import annotations

from datetime import timedelta

from tests.attacks.forge import Writer
from tests.attacks.site import Site

YEAR = timedelta(days=365)
FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def test_checkpoints_run_back_ten_years(site: Site) -> None:
    payments = Writer(signer=site.keys.signing)
    records = []
    for years in range(0, 11, 2):
        records += [payments.event(), payments.checkpoint(time=(payments.clock - years * YEAR).strftime(FORM))]
    end = (payments.clock - 11 * YEAR).strftime(FORM)
    site.put([*records, payments.checkpoint(final=True, time=end)])

    verified = site.verify()

    assert verified.verdict not in ("complete", "foreign")
    assert verified.code in (3, 4)
    assert "time" in verified.findings


def test_events_are_dated_long_ago(site: Site) -> None:
    """Something that never was is logged today under a date of ten years ago, between events of today."""
    payments = Writer(signer=site.keys.signing)
    records = [payments.event(), payments.checkpoint()]
    records.append(payments.event("contract_signed", time="2016-02-03T04:05:06.000000Z"))
    site.put([*records, payments.event(), payments.checkpoint(final=True)])

    verified = site.verify()

    assert "2016-02-03" in verified.findings
    assert verified.verdict not in ("complete", "foreign")


def test_events_are_dated_in_the_future(site: Site) -> None:
    payments = Writer(signer=site.keys.signing)
    records = [payments.event(), payments.event(time="2076-02-03T04:05:06.000000Z")]
    site.put([*records, payments.checkpoint(final=True)])

    verified = site.verify()

    assert "2076-02-03" in verified.findings
    assert verified.verdict not in ("complete", "foreign")
