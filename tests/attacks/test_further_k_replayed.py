"""The dates of a key against records that are appended again, or late: trust dates x replay.

The broker stamps each record with the time at which it appended it (LogAppendTime); here the source says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.reader import Place, RawRecord
from telemetry.reader.trust import TrustPolicy, parse_trust_file
from telemetry.reader.verify import VerificationReport, Verifier
from tests.attacks.forge import TOPIC, Writer
from tests.support.written_trail import Signer

FORMER, PRESENT = Signer(4, "payments-2025"), Signer(1, "payments-2026")
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
ENDED = datetime(2026, 1, 31, tzinfo=UTC)
NOW = datetime(2026, 9, 1, tzinfo=UTC)
KEYS: tuple[dict[str, Any], ...] = (
    {"public": PRESENT.public_key, "roles": ["service"], "sources": ["/production/payments"]},
    {"public": FORMER.public_key, "roles": ["service"], "sources": ["/production/payments"]},
)


def policy(**dates: str) -> TrustPolicy:
    """Return a policy in which the former key has these dates."""
    lines = ["version = 1"]
    for key, more in zip(KEYS, ({}, dates), strict=True):
        lines += ["[[key]]", *(f"{name} = {msgspec.json.encode(value).decode()}" for name, value in key.items())]
        lines += [f"{name} = {value}" for name, value in more.items()]
    return parse_trust_file("\n".join(lines).encode())


def appended(records: Iterable[RawRecord], at: datetime) -> list[RawRecord]:
    return [record._replace(append_time=at.timestamp()) for record in records]


def verify(trust: TrustPolicy, records: Iterable[RawRecord]) -> VerificationReport:
    verifier = Verifier(trust)
    verifier.observe_all(record._replace(place=Place(TOPIC, 0, offset)) for offset, record in enumerate(records))
    return verifier.report(now=NOW)


def test_copy_of_a_record_of_a_former_key_changes_nothing() -> None:
    """W appends the genuine records of a key again, long after its end: they are proven by those that came in time."""
    former, present = Writer(1, signer=FORMER, clock=BEGAN), Writer(2, signer=PRESENT, clock=NOW - timedelta(hours=1))
    lived = former.run(4, every=2)

    report = verify(
        policy(not_after="2026-01-31T00:00:00Z"),
        [*appended(lived, BEGAN), *appended(present.run(2), NOW), *appended(lived, NOW)],
    )

    assert report.exit_code == 0
    assert [report.producer(each.producer).proven for each in (former, present)] == [4, 2]


def test_record_that_waited_in_the_store_is_believed_within_the_delay() -> None:
    former = Writer(1, signer=FORMER, clock=ENDED - timedelta(hours=1))
    lived = former.run(4)

    within = verify(policy(not_after="2026-01-31T00:00:00Z"), appended(lived, ENDED + timedelta(days=6)))
    after = verify(policy(not_after="2026-01-31T00:00:00Z"), appended(lived, ENDED + timedelta(days=8)))

    assert (within.exit_code, within.total("proven")) == (0, 4)
    assert (after.exit_code, after.total("proven")) == (4, 0)


def test_copy_of_a_record_of_a_revoked_key_changes_nothing() -> None:
    """What it signed before the theft was appended before the theft; the copy of it is no statement of the thief."""
    former, present = Writer(1, signer=FORMER, clock=BEGAN), Writer(2, signer=PRESENT, clock=NOW - timedelta(hours=1))
    lived = former.run(4, every=2)

    report = verify(
        policy(revoked_from="2026-02-01T00:00:00Z"),
        [*appended(lived, BEGAN), *appended(present.run(2), NOW), *appended(lived, NOW)],
    )

    assert report.exit_code == 0
    assert report.producer(former.producer).proven == 4


def test_stolen_key_extends_no_stream_of_the_past() -> None:
    """K goes on with a genuine stream of before the theft, under a date of before the theft."""
    former = Writer(1, signer=FORMER, clock=BEGAN)
    lived = former.run(4, every=2, end=False)
    forged = [former.event("wire_transfer"), former.checkpoint(final=True)]

    report = verify(policy(revoked_from="2026-02-01T00:00:00Z"), [*appended(lived, BEGAN), *appended(forged, NOW)])

    assert report.exit_code == 3
    assert report.producer(former.producer).proven == 4
    assert not report.producer(former.producer).is_closed


@pytest.mark.parametrize("seconds", [1e18, float("nan"), float("inf")])
def test_append_time_that_is_no_time_is_no_clock(seconds: float) -> None:
    former = Writer(1, signer=FORMER, clock=BEGAN)
    lived = [record._replace(append_time=seconds) for record in former.run(4)]

    report = verify(policy(revoked_from="2026-02-01T00:00:00Z"), lived)

    assert report.is_self_asserted


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("name", ["not_before", "not_after", "revoked_from"])
def test_date_outside_the_calendar_is_a_problem_of_the_trust_file(name: str, date: str) -> None:
    with pytest.raises(ConfigurationError, match="date"):
        policy(**{name: date})
