from __future__ import annotations

import contextlib

from telemetry.gateway.body_room import BodyRoom


def test_what_a_request_takes_comes_back_with_its_end() -> None:
    room = BodyRoom(100)
    with contextlib.suppress(ValueError), room.share("payments") as share:
        assert share.take(60)
        assert not share.take(41)
        assert share.take(40)
        assert room.free == 0
        raise ValueError
    assert room.free == 100


def test_requests_share_the_room() -> None:
    room = BodyRoom(100)
    with room.share("payments") as one, room.share("orders") as other:
        assert one.take(70)
        assert not other.take(31)
        assert other.take(30)


def test_several_bodies_of_one_service_leave_room_for_others() -> None:
    room = BodyRoom(100)
    with room.share("payments") as one, room.share("payments") as more, room.share("orders") as other:
        assert one.take(50)
        assert not more.take(26)
        assert more.take(25)
        assert other.take(25)


def test_single_body_may_have_all_of_the_room() -> None:
    room = BodyRoom(100)
    with room.share("payments") as former:
        assert former.take(10)
    with room.share("payments") as share:
        assert share.take(50)
        assert share.take(50)
