from __future__ import annotations

import contextlib

from telemetry.gateway.body_room import BodyRoom


def test_what_a_request_takes_comes_back_with_its_end() -> None:
    room = BodyRoom(100)
    with contextlib.suppress(ValueError), room.share() as share:
        assert share.take(60)
        assert not share.take(41)
        assert share.take(40)
        assert room.free == 0
        raise ValueError
    assert room.free == 100


def test_requests_share_the_room() -> None:
    room = BodyRoom(100)
    with room.share() as one, room.share() as other:
        assert one.take(70)
        assert not other.take(31)
        assert other.take(30)
