"""Words for the types that almost every trail has: the built-in ones, those of the library itself, and their usual variants."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How events of a type are told.

    Attributes:
        did: What was done, after the name of who did it.
        tried: What is said instead if the outcome is ``failure`` or ``denied``; empty if ``did`` says so.
        detail: Member of the payload that completes the sentence; empty for none.
        before_thing: Word between that and the thing acted upon.
        by_service: Whether the service itself acted.
        of_anyone: Whether it is not known who acted: the user id is a name that somebody gave.
    """

    did: str
    tried: str = ""
    detail: str = ""
    before_thing: str = ""
    by_service: bool = False
    of_anyone: bool = False


_ACCOUNTS = {
    "created": ("created", "create"),
    "enabled": ("enabled", "enable"),
    "disabled": ("disabled", "disable"),
    "deleted": ("deleted", "delete"),
    "locked": ("locked", "lock"),
}
_LOGIN = Telling(did="logged in", tried="tried to log in", before_thing="to")
_LOGIN_FAILED = Telling(did="failed to log in as", of_anyone=True)
_LOGOUT = Telling(did="logged out", tried="tried to log out", before_thing="of")
_PASSWORD = Telling(did="changed the password", tried="tried to change the password", before_thing="of")
_DENIED = Telling(did="was refused", detail="permission", before_thing="on")

KNOWN: dict[str, Telling] = {
    "user.login": _LOGIN,
    "login": _LOGIN,
    "user.logged.in": _LOGIN,
    "user.signed.in": _LOGIN,
    "user.login.failed": _LOGIN_FAILED,
    "login.failed": _LOGIN_FAILED,
    "user.logout": _LOGOUT,
    "logout": _LOGOUT,
    "user.logged.out": _LOGOUT,
    **{f"user.{word}": Telling(did=did, tried=f"tried to {do}") for word, (did, do) in _ACCOUNTS.items()},
    "user.password.changed": _PASSWORD,
    "password.changed": _PASSWORD,
    "user.password.reset": Telling(did="reset the password", tried="tried to reset the password", before_thing="of"),
    "user.mfa.enabled": Telling(
        did="added a second factor", tried="tried to add a second factor", detail="factor", before_thing="to"
    ),
    "user.mfa.disabled": Telling(
        did="removed a second factor", tried="tried to remove a second factor", detail="factor", before_thing="from"
    ),
    "role.granted": Telling(did="granted the role", tried="tried to grant the role", detail="role", before_thing="to"),
    "role.revoked": Telling(
        did="revoked the role", tried="tried to revoke the role", detail="role", before_thing="from"
    ),
    "access.granted": Telling(did="was allowed", detail="permission", before_thing="on"),
    "access.denied": _DENIED,
    "data.viewed": Telling(did="looked at", tried="tried to look at"),
    "data.exported": Telling(did="exported", tried="tried to export", detail="format"),
    "data.imported": Telling(did="imported", tried="tried to import", detail="format"),
    "data.deleted": Telling(did="deleted", tried="tried to delete"),
    "config.changed": Telling(
        did="changed the setting", tried="tried to change the setting", detail="setting", before_thing="of"
    ),
    "telemetry.started": Telling(did="began to log", by_service=True),
    "telemetry.stopped": Telling(did="ended its log", by_service=True),
    "telemetry.recovered": Telling(did="took over the events of the dead process", detail="producer", by_service=True),
    "telemetry.fallback.entered": Telling(
        did="began to store events, because Kafka does not accept them:", detail="reason", by_service=True
    ),
    "telemetry.fallback.left": Telling(did="sends events to Kafka again", by_service=True),
    "telemetry.data.key.rotated": Telling(did="began to use the data key", detail="kid", by_service=True),
    "telemetry.gateway.denied": Telling(did="was refused by the gateway", detail="reason"),
    "telemetry.gateway.malformed": Telling(did="sent the gateway what it cannot read", detail="reason"),
    "telemetry.read": Telling(did="opened", tried="tried to open"),
    "telemetry.searched": Telling(did="searched", tried="tried to search"),
    "telemetry.viewed": Telling(did="looked at", tried="tried to look at"),
    "telemetry.exported": Telling(did="exported events of", tried="tried to export events of"),
    "telemetry.forgotten": Telling(did="had subjects forgotten of", tried="tried to have subjects forgotten of"),
    "telemetry.held": Telling(did="set a legal hold on subjects of", tried="tried to set a legal hold on subjects of"),
    "telemetry.released": Telling(did="released a legal hold of", tried="tried to release a legal hold of"),
    "telemetry.redacted": Telling(did="redacted events of", tried="tried to redact events of"),
}
"""By the words of the type's name, in lower case, with dots between them."""
