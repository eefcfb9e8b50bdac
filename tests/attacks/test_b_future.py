from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.attacks.forge import Writer
from tests.attacks.site import Site

LATER = datetime.now(UTC) + timedelta(days=365 * 50)


def test_checkpoint_of_the_future_does_not_hide_the_cut_off_end(site: Site) -> None:
    """A process with a wrong clock, or its operator's: its last events and checkpoints are then deleted."""
    payments = Writer(signer=site.keys.signing)
    records = [payments.event() for _ in range(6)]
    records.append(payments.checkpoint(time=LATER.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
    site.put(records)

    verified = site.verify("--live", "30")

    assert verified.code in (3, 4)
    assert verified.verdict not in ("complete", "foreign")
    assert not verified.of(payments.producer)["is_open"]
    assert "ahead of" in verified.findings or "future" in verified.findings


@pytest.mark.parametrize(
    "time",
    ["9999-99-99T99:99:99Z", "0000-00-00T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-30T24:00:01.999999Z"],
)
def test_nonsense_in_a_signed_time_ends_no_run(site: Site, time: str) -> None:
    honest, payments = Writer(1, signer=site.keys.signing), Writer(2, signer=site.keys.signing)
    records = [payments.event() for _ in range(3)]
    site.put([*honest.run(3), *records, payments.checkpoint(time=time), payments.checkpoint(final=True, time=time)])

    verified = site.verify("--live", "30")
    page = site.run("verify", "--public-key", site.keys.public_key, "--report", str(site.folder / "page.html"))

    assert verified.proven(honest.producer) == 3
    assert verified.code == page.code
    assert not verified.of(payments.producer).get("is_open")
    assert verified.code in (3, 4)
