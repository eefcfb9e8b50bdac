"""Sessions end, are bounded, and are found by their token alone."""

from __future__ import annotations

import gc
import weakref

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.sessions import Sessions
from telemetry.types import ExplorerConfig

CONFIG = ExplorerConfig(session_idle_seconds=100, session_seconds=1_000, max_sessions=10_000)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def person(subject: str = "ada", right: Right = Right.READ) -> Person:
    return Person(subject=subject, name=subject, right=right, how="oidc")


def test_session_is_found_by_its_token_alone() -> None:
    sessions = Sessions(CONFIG)
    session, token = sessions.begin(person(), address="10.0.0.7")

    assert sessions.find(token) is session
    for other in ("", token[:-1], token + "a", token.swapcase(), session.id, session.csrf, "\u00e9" * 43):
        assert sessions.find(other) is None
    assert token not in repr(session) + repr(vars(sessions))
    assert "ada" not in repr(session)


def test_idle_session_ends() -> None:
    clock = Clock()
    sessions = Sessions(CONFIG, clock=clock)
    _, idle = sessions.begin(person(), address=None)
    used, token = sessions.begin(person(), address=None)
    clock.now = 99
    assert sessions.find(token) is used
    clock.now = 100
    assert sessions.find(idle) is None
    assert sessions.find(token) is used
    assert len(sessions) == 1


def test_session_that_only_a_page_uses_ends() -> None:
    clock = Clock()
    sessions = Sessions(CONFIG, clock=clock)
    _, token = sessions.begin(person(), address=None)

    clock.now = 99
    assert sessions.find(token, is_use=False) is not None
    clock.now = 100
    assert sessions.find(token) is None


def test_session_in_use_ends_too() -> None:
    clock = Clock()
    sessions = Sessions(CONFIG, clock=clock)
    session, token = sessions.begin(person(), address=None)
    for now in range(0, 1_000, 50):
        clock.now = now
        assert sessions.find(token) is session
    renewed = sessions.renew(session)
    assert renewed is not None
    clock.now = 1_000
    assert sessions.find(renewed) is None


def test_renewed_session_has_another_token() -> None:
    sessions = Sessions(CONFIG)
    session, former = sessions.begin(person(), address=None)
    token = sessions.renew(session)
    assert token is not None
    assert sessions.find(former) is None
    assert sessions.find(token) is session
    sessions.end(session)
    assert sessions.renew(session) is None


def test_ten_thousand_sessions_are_the_bound() -> None:
    sessions = Sessions(CONFIG)
    tokens = [sessions.begin(person(f"p{number}"), address=None)[1] for number in range(10_000)]
    with pytest.raises(Refused) as refusal:
        sessions.begin(person("one-more"), address=None)
    assert refusal.value.status == 503
    assert sessions.find(tokens[0]) is not None
    assert len(sessions) == 10_000


def test_eleventh_browser_ends_the_idlest() -> None:
    sessions = Sessions(CONFIG)
    tokens = [sessions.begin(person(), address=None)[1] for _ in range(10)]
    sessions.find(tokens[0])
    sessions.begin(person(), address=None)
    assert sessions.find(tokens[0]) is not None
    assert sessions.find(tokens[1]) is None
    assert len(sessions) == 10


def test_ended_session_is_forgotten_by_others() -> None:
    clock = Clock()
    sessions = Sessions(CONFIG, clock=clock)
    baskets: weakref.WeakKeyDictionary[Session, list[str]] = weakref.WeakKeyDictionary()
    session, _ = sessions.begin(person(), address=None)
    baskets[session] = ["an event"]
    del session
    clock.now = 200
    assert len(sessions) == 0
    gc.collect()
    assert not baskets


def test_content_is_open_with_right_and_reason() -> None:
    reader, viewer = Session(person()), Session(person(right=Right.SEALED))
    assert not reader.is_open
    reader.open_content("ticket 7")
    viewer.open_content("ticket 7")
    assert reader.is_open
    assert not viewer.is_open


def test_rights_include_those_before() -> None:
    order = [Right.SEALED, Right.READ, Right.EXPORT]
    for at, right in enumerate(order):
        assert [right.includes(other) for other in order] == [True] * (at + 1) + [False] * (2 - at)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a" * 10_000, "UTC\x00"])
def test_unknown_time_zone_is_refused(zone: str) -> None:
    session = Session(person())
    with pytest.raises(ConfigurationError, match="no time zone"):
        session.choose_zone(zone)
    session.choose_zone("Europe/Zurich")
    assert session.zone == "Europe/Zurich"
