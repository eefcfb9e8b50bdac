from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.authentication import SimpleUser, UnauthenticatedUser

from telemetry.integrations.web.actor import Actor, actor_of

ID = UUID("12345678-1234-5678-1234-567812345678")


class OnlyNamed:
    """Has the members of a base class that are not filled in."""

    display_name = "ada"

    @property
    def identity(self) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("value", "user_id"),
    [
        ("ada", "ada"),
        (7, 7),
        (0, 0),
        (ID, ID),
        ({"sub": "ada", "scope": "x"}, "ada"),
        (SimpleUser("ada"), "ada"),
        (SimpleNamespace(is_authenticated=True, get_id=lambda: "5"), "5"),
        (SimpleNamespace(is_authenticated=lambda: True, pk=5), 5),
        (SimpleNamespace(id=0), 0),
        (SimpleNamespace(user_id=b"x"), "b'x'"),
        (OnlyNamed(), "ada"),
    ],
    ids=["text", "number", "zero", "uuid", "claims", "starlette", "flask_login", "django", "id", "bytes", "named"],
)
def test_user_is_found(value: Any, user_id: Any) -> None:
    found = actor_of(value)

    assert found is not None
    assert found.fields() == {"user_id": user_id}


@pytest.mark.parametrize(
    "value",
    [None, "", UnauthenticatedUser(), SimpleNamespace(is_authenticated=False, id=7)],
    ids=["none", "empty", "unauthenticated", "not_authenticated"],
)
def test_nobody_is_nobody(value: Any) -> None:
    assert actor_of(value) is None


@pytest.mark.parametrize("value", [SimpleNamespace(is_authenticated=True), {"scope": "x"}, object(), True, False])
def test_user_without_id_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError, match="no id"):
        actor_of(value)


def test_actor_says_who_works_as_whom() -> None:
    actor = Actor("ada", actor_id="root", actor_type="user", tenant_id="acme")

    assert actor_of(actor) is actor
    assert actor.fields() == {"user_id": "ada", "actor_id": "root", "actor_type": "user", "tenant_id": "acme"}
