"""Says who acted and which account was acted on, in the objects of OCSF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from telemetry.format.value.event import AuditEvent
from telemetry.reader.mappings.table import present

ACCOUNT_CHANGE, AUTHENTICATION, GROUP_MANAGEMENT = 3001, 3002, 3006

_ACCOUNT = re.compile(r"(?:.*[^A-Za-z])?(?:[A-Za-z]*[a-z])?(?:users?|accounts?|Users?|Accounts?|USERS?|ACCOUNTS?)")
"""A kind of thing whose last word is user or account: ``user``, ``service_account``, ``AWS::IAM::User``."""
_TYPES: dict[str, tuple[int, str]] = {
    "user": (1, "User"),
    "system": (3, "System"),
    "service": (99, "Service"),
    "anonymous": (99, "Anonymous"),
}


def actor(event: AuditEvent) -> dict[str, Any]:
    """Return who acted, with the service and the session."""
    who = event.actor_id or event.user_id
    return {"user": _typed(who, event), "app_name": event.service_name, **session(event)}


def session(event: AuditEvent) -> dict[str, Any]:
    """Return the session, as a member of another object."""
    return {"session": {"uid": event.session_id}} if event.session_id else {}


def account(event: AuditEvent, class_uid: int) -> dict[str, Any] | None:
    """Return the account that the event of a class is about, or None if the event does not say.

    In Authentication it is the user who signs in or out. Elsewhere it is a thing of the kind user or account, else the
    user whose event it is; but not where the event names something else that was changed.
    """
    if class_uid == AUTHENTICATION:
        return {"uid": event.user_id} if is_of_another(event) else _typed(event.user_id, event)
    accounts = [uid for kind, uid in things(event) if uid and kind and _ACCOUNT.fullmatch(kind)]
    if accounts:
        return {"uid": accounts[0]}
    is_about_others = class_uid == ACCOUNT_CHANGE and any(things(event))
    is_about_the_actor = class_uid == GROUP_MANAGEMENT and not is_of_another(event)
    return None if is_about_others or is_about_the_actor else {"uid": event.user_id}


def things(event: AuditEvent) -> Iterator[tuple[str | None, str | None]]:
    """Yield kind and id of each thing acted upon, the entity first."""
    if event.entity or event.entity_id:
        yield event.entity, event.entity_id
    for target in event.targets:
        yield target.entity, target.entity_id


def no_accounts(event: AuditEvent) -> Iterator[tuple[str | None, str | None]]:
    """Yield the things acted upon that are no accounts."""
    return ((kind, uid) for kind, uid in things(event) if not (kind and _ACCOUNT.fullmatch(kind)))


def is_of_another(event: AuditEvent) -> bool:
    """Return whether somebody else acted on the user's account."""
    return event.actor_id is not None and event.actor_id != event.user_id


def _typed(who: str, event: AuditEvent) -> dict[str, Any]:
    number, name = _TYPES.get(event.actor_type or "", (None, None))
    return present(uid=who, type_id=number, type=name)
