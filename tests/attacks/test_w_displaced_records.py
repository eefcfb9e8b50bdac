from __future__ import annotations

from telemetry.reader import SealedEntry
from telemetry.trail import open_trail
from tests.attacks.forge import rival
from tests.attacks.site import Site


def test_junk_does_not_displace_sealed_records(site: Site) -> None:
    payments = site.writer()
    honest = [payments.event("wire_transfer") for _ in range(6)]
    site.put([*(rival(record, number) for number, record in enumerate(honest)), *honest])

    with open_trail(site.config(), sealed=True) as trail:
        values = {entry.raw.value for entry in trail if isinstance(entry, SealedEntry)}
        dropped = trail.duplicates_dropped

    assert values >= {record.value for record in honest}
    assert dropped == 0
