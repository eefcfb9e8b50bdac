"""Declares the types that almost every application logs; ``AuditCatalog(..., include=[builtin])`` makes them a part of another.

Their classes allow further members, which are sealed too: each application knows more about a login than this one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.catalog.catalog import AuditCatalog

builtin = AuditCatalog("telemetry-builtin", version=1)
"""The built-in types, version 1."""

_AUTHENTICATION, _ACCOUNT, _USER_ACCESS, _API = 3002, 3001, 3005, 6003
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_LOGIN, _ACCESS, _RIGHTS, _ACCOUNTS = "PCI 10.2.1.4", "PCI 10.2.1.1", "PCI 10.2.1.5", "PCI 10.2.1.5"


class _OpenEvent(msgspec.Struct):
    """The payload of a built-in type; members that the class does not have are allowed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@builtin.event("user.login", outcome="success", severity="informational", ocsf=(_AUTHENTICATION, 1))
class UserLogin(_OpenEvent):
    """A user has logged in."""

    method: str | None = None
    mfa: bool | None = None


@builtin.event("user.logout", outcome="success", severity="informational", ocsf=(_AUTHENTICATION, 2))
class UserLogout(_OpenEvent):
    """A user has logged out, or the session has ended."""

    cause: str | None = None


@builtin.event("user.login_failed", outcome="failure", severity="low", controls=[_LOGIN], ocsf=(_AUTHENTICATION, 1))
class UserLoginFailed(_OpenEvent):
    """Somebody tried to log in; the user id is the name that was tried."""

    method: str | None = None
    cause: str | None = None


@builtin.event("user.created", entity="user", action="create", severity="low", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 1))
class UserCreated(_OpenEvent):
    """An account was created; the entity id is the account."""


@builtin.event("user.enabled", entity="user", action="update", severity="low", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 2))
class UserEnabled(_OpenEvent):
    """An account was enabled."""


@builtin.event(
    "user.disabled", entity="user", action="update", severity="low", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 5)
)
class UserDisabled(_OpenEvent):
    """An account was disabled."""


@builtin.event(
    "user.deleted", entity="user", action="delete", severity="medium", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 6)
)
class UserDeleted(_OpenEvent):
    """An account was deleted."""


@builtin.event(
    "user.locked", entity="user", action="update", severity="medium", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 9)
)
class UserLocked(_OpenEvent):
    """An account was locked, as after too many attempts."""


@builtin.event(
    "user.password_changed", entity="user", action="update", severity="low", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 3)
)
class UserPasswordChanged(_OpenEvent):
    """A user has changed their password."""


@builtin.event(
    "user.password_reset", entity="user", action="update", severity="medium", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 4)
)
class UserPasswordReset(_OpenEvent):
    """A password was reset, by an administrator or by a link."""


@builtin.event(
    "user.mfa_enabled", entity="user", action="update", severity="low", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 10)
)
class UserMfaEnabled(_OpenEvent):
    """A second factor was added to an account."""

    factor: str | None = None


@builtin.event(
    "user.mfa_disabled", entity="user", action="update", severity="medium", controls=[_ACCOUNTS], ocsf=(_ACCOUNT, 11)
)
class UserMfaDisabled(_OpenEvent):
    """A second factor was removed from an account."""

    factor: str | None = None


@builtin.event("role.granted", entity="user", severity="medium", controls=[_RIGHTS], ocsf=(_USER_ACCESS, 1))
class RoleGranted(_OpenEvent):
    """A user got a role; the entity id is that user."""

    role: str


@builtin.event("role.revoked", entity="user", severity="medium", controls=[_RIGHTS], ocsf=(_USER_ACCESS, 2))
class RoleRevoked(_OpenEvent):
    """A user has lost a role; the entity id is that user."""

    role: str


@builtin.event("access.granted", outcome="success", severity="informational", controls=[_ACCESS], ocsf=(_API, _OTHER))
class AccessGranted(_OpenEvent):
    """A check allowed the user to do what was asked."""

    permission: str | None = None


@builtin.event("access.denied", outcome="denied", severity="low", controls=[_LOGIN], ocsf=(_API, _OTHER))
class AccessDenied(_OpenEvent):
    """A check did not allow the user to do what was asked."""

    permission: str | None = None
    cause: str | None = None


@builtin.event("data.viewed", action="read", severity="informational", controls=[_ACCESS], ocsf=(_API, _READ))
class DataViewed(_OpenEvent):
    """Somebody looked at data that is worth protecting."""

    records: int | None = None


@builtin.event("data.exported", action="read", severity="medium", controls=[_ACCESS], ocsf=(_API, _READ))
class DataExported(_OpenEvent):
    """Data left the application, as a file or a report."""

    format: str | None = None
    records: int | None = None
    query: Any = None


@builtin.event("data.imported", action="create", severity="low", ocsf=(_API, _CREATE))
class DataImported(_OpenEvent):
    """Data came into the application."""

    format: str | None = None
    records: int | None = None


@builtin.event("data.deleted", action="delete", severity="medium", controls=[_ACCESS], ocsf=(_API, _DELETE))
class DataDeleted(_OpenEvent):
    """Data was deleted."""

    records: int | None = None


@builtin.event("config.changed", action="update", severity="medium", controls=["PCI 10.2.1.2"], ocsf=(_API, _UPDATE))
class ConfigChanged(_OpenEvent):
    """A setting was changed; the changes say from what to what."""

    setting: str | None = None
