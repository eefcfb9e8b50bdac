"""B, or a host with a wrong clock, dates the first checkpoint long ago: then no event is dated too early."""

from __future__ import annotations

import pytest

from tests.attacks.forge import Writer
from tests.attacks.site import Site


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2015-01-01T00:00:00Z"])
def test_checkpoint_of_long_ago_admits_no_event_of_long_ago(site: Site, time: str) -> None:
    payments = Writer(signer=site.keys.signing)
    records = [payments.event(), payments.checkpoint(time=time)]
    records.append(payments.event("contract_signed", time="2016-02-03T04:05:06.000000Z"))
    site.put([*records, payments.event(), payments.checkpoint(final=True)])

    verified = site.verify()

    assert verified.code == 4
    assert "2016-02-03" in verified.findings
    assert time in verified.findings
