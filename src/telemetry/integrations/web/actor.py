"""Reads who acts from what a framework knows of the authenticated user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

# What user objects of frameworks call their id: Flask-Login, Starlette, Django, and what applications write themselves.
_ATTRIBUTES = ("get_id", "identity", "pk", "id", "user_id", "username", "display_name")
_CLAIMS = ("sub", "user_id", "id", "username")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts in a request, and on whose behalf.

    Where an administrator works as another user, ``user_id`` is that user and ``actor_id`` the administrator.

    Args:
        user_id: The user whose events these are.
        actor_id: Who really acts, if that is somebody else.
        actor_type: ``user``, ``service``, ``system`` or ``anonymous``.
        tenant_id: Tenant, customer or organization.
    """

    user_id: Any
    actor_id: Any = None
    actor_type: str | None = None
    tenant_id: Any = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of an event."""
        fields = {"user_id": self.user_id, "actor_id": self.actor_id, "actor_type": self.actor_type}
        return {name: value for name, value in (*fields.items(), ("tenant_id", self.tenant_id)) if value is not None}


def actor_of(value: Any) -> Actor | None:
    """Return who acts, or None if nobody is authenticated.

    Args:
        value: None, an :class:`Actor`, an id (text, integer, UUID), the claims of a token, or a user object: one that has
            ``is_authenticated`` and is not, is nobody; else the first of ``get_id()``, ``identity``, ``pk``, ``id``,
            ``user_id``, ``username`` and ``display_name`` is its id.

    Raises:
        TypeError: The value is authenticated, and has no id.
    """
    if value is None or isinstance(value, Actor):
        return value
    if isinstance(value, (str, int, UUID)) and not isinstance(value, bool):
        return Actor(value) if value != "" else None
    if isinstance(value, Mapping):
        found = next((value[name] for name in _CLAIMS if value.get(name) is not None), None)
    elif not _is_authenticated(value):
        return None
    else:
        found = _id_of(value)
    if found is None:
        message = f"{type(value).__name__} has no id that an event could name; give actor= a function that returns one"
        raise TypeError(message)
    return Actor(found if isinstance(found, (str, int, UUID)) else str(found))


def _is_authenticated(user: Any) -> bool:
    answer = getattr(user, "is_authenticated", True)
    return bool(answer() if callable(answer) else answer)


def _id_of(user: Any) -> Any:
    for name in _ATTRIBUTES:
        try:
            found = getattr(user, name, None)
            found = found() if callable(found) else found
        except NotImplementedError:
            continue  # a base class declares it, and this user has none
        if found is not None and found != "":
            return found
    return None
