from __future__ import annotations

import pytest

from telemetry.format.value.message import parse
from telemetry.reader import RawRecord
from tests.attacks.forge import Writer, rival
from tests.attacks.site import Site
from tests.support.in_process import run

EVENTS, EVERY = 3_000, 100


def with_rivals(honest: list[RawRecord], *, of_first: int, ahead: int) -> list[RawRecord]:
    """Return an honest stream behind forged copies of its first record, and of the first records of each interval."""
    attacked = [rival(honest[0], number) for number in range(of_first)]
    for start in range(0, len(honest), EVERY + 1):
        interval = honest[start : start + EVERY + 1]
        attacked += [rival(record, start + number) for number, record in enumerate(interval[:ahead])]
        attacked += interval
    return attacked


@pytest.mark.parametrize(("of_first", "ahead"), [(1_100, 1), (0, 10)], ids=["1130-records", "10-an-interval"])
def test_rivals_leave_the_whole_stream_provable(site: Site, of_first: int, ahead: int) -> None:
    payments = Writer(signer=site.keys.signing)
    honest = payments.run(EVENTS, every=EVERY)
    site.put([*with_rivals(honest[:-1], of_first=of_first, ahead=ahead), honest[-1]])

    verified = site.verify()

    assert verified.proven(payments.producer) == EVENTS
    # A rival of a signed record is a finding, and is named by its place.
    assert verified.code == 3
    assert '"audit-events[0]@0"' in verified.findings


@pytest.mark.parametrize("sequence", [4, 5], ids=["of-the-event", "of-its-neighbour"])
def test_rivals_leave_one_event_provable(site: Site, sequence: int) -> None:
    payments = Writer(signer=site.keys.signing)
    honest = payments.run(10)
    event_id = parse(honest[4].value or b"").attributes["id"]
    rivals = [rival(honest[sequence], number) for number in range(17)]
    site.put([*rivals, *honest])
    file = site.folder / "event.proof.json"

    ended = site.run("prove", event_id, "--public-key", site.keys.public_key, "--out", str(file))

    assert ended.code == 0, ended.err
    checked = run("verify-proof", str(file), "--public-key", site.keys.public_key, "--event-id", event_id)
    assert checked.code == 0, checked.err


def test_claims_at_other_positions_leave_the_event_provable(site: Site) -> None:
    payments = Writer(signer=site.keys.signing)
    honest = payments.run(60)
    event_id = parse(honest[50].value or b"").attributes["id"]
    events = [record for record in honest if b'"sequence":' in (record.value or b"")]
    claims = [claim_of(record, honest[50]) for record in events[:40]]
    site.put([*claims, *honest])
    file = site.folder / "event.proof.json"

    ended = site.run("prove", event_id, "--public-key", site.keys.public_key, "--out", str(file))

    assert ended.code == 0, ended.err


def claim_of(record: RawRecord, event: RawRecord) -> RawRecord:
    """Return a rival of a record that claims to be another event, by its id."""
    own, other = (parse(each.value or b"").attributes["id"].encode() for each in (record, event))
    forged = rival(record, 0)
    return forged._replace(value=(forged.value or b"").replace(own, other))
