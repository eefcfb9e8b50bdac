from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test.utils import override_settings

from telemetry.testing.captured.captured_events import CapturedEvents

_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", "django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.mark.parametrize("name", ["eve", "x" * 2_000, "a\u0085b", "a\x00b"], ids=["plain", "long", "control", "null"])
def test_failed_login_names_what_was_tried(name: str, events: CapturedEvents) -> None:
    assert authenticate(username=name, password="wrong") is None

    event = events.one("user.login_failed", outcome="denied", user_id=name)
    assert "wrong" not in str(event)


def test_failed_login_without_a_name_is_anonymous(events: CapturedEvents) -> None:
    assert authenticate(token="wrong") is None

    events.one("user.login_failed", user_id=None, actor_type="anonymous")


def test_new_password_is_an_event_without_it(events: CapturedEvents) -> None:
    user = User.objects.create(username="ada", password=make_password("first"))
    events.clear()

    user.set_password("second")
    user.save()

    assert [event.event_type for event in events] == ["user.updated", "user.password_changed"]
    change = events[0].changes["password"]
    assert (change.old, change.new) == ("[scrubbed]", "[scrubbed]")
    assert events[1].entity_id == str(user.pk)
    assert "md5$" not in "".join(map(str, events))


def test_renewed_hash_is_no_new_password(events: CapturedEvents) -> None:
    user = User.objects.create(username="ada", password=make_password("first"))
    events.clear()

    with override_settings(PASSWORD_HASHERS=_HASHERS):
        assert user.check_password("first")

    assert [event.event_type for event in events] == ["user.updated"]


def test_password_that_is_taken_away_is_logged(events: CapturedEvents) -> None:
    user = User.objects.create(username="ada", password=make_password("first"))
    events.clear()

    user.set_unusable_password()
    user.save()

    assert events.one("user.password_changed")


def test_time_of_login_is_no_change(events: CapturedEvents) -> None:
    from django.contrib.auth.models import update_last_login  # noqa: PLC0415

    user = User.objects.create(username="ada")
    events.clear()

    update_last_login(User, user)

    assert list(events) == []
