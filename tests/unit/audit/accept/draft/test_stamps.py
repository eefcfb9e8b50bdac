from __future__ import annotations

import uuid

from telemetry.audit.accept.draft.stamps import Stamps

SECOND = 1_769_860_800_000_000_000


def test_id_and_time_are_members_of_the_event() -> None:
    event_id, members = Stamps(lambda: SECOND + 123_456_789).next()

    assert uuid.UUID(event_id).version == 7
    assert members == b',"id":"%b","time":"2026-01-31T12:00:00.123456Z"' % event_id.encode()


def test_clock_that_goes_back_is_followed() -> None:
    moments = iter((SECOND, SECOND + 1_500_000_000, SECOND - 1))
    stamps = Stamps(lambda: next(moments))

    times = [stamps.next()[1].rpartition(b",")[2] for _ in range(3)]

    assert times == [
        b'"time":"2026-01-31T12:00:00.000000Z"',
        b'"time":"2026-01-31T12:00:01.500000Z"',
        b'"time":"2026-01-31T11:59:59.999999Z"',
    ]
