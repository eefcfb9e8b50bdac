"""Writes who published a task into a header of its message, and reads it: signed, or marked as claimed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from telemetry.config.secret_files import read_secret
from telemetry.exceptions import ConfigurationError, Problem

HEADER = "telemetry_audit"

CARRIED = ("user_id", "actor_id", "actor_type", "tenant_id", "correlation_id")
"""What is sent along; addresses, sessions and reasons stay with the publisher: a broker may show them to others."""

_ACTOR_TYPES = ("user", "service", "system", "anonymous")
_CLAIMED = {"claimed_by": "celery"}
_VERSION = 1
_MAX_TEXT = 1_024
_LEAST_SECRET = 32


class TaskHeader:
    """The header of a task's message.

    Args:
        secret: Signs it; None if nothing does.
    """

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return f"TaskHeader(is_signed={self._secret is not None})"

    @classmethod
    def of(cls, *, secret: str | bytes | None, secret_file: str | Path | None) -> Self:
        """Return the header for a secret, or for the one in a file.

        Raises:
            ConfigurationError: The secret is too short, or its file cannot be read or believed.
        """
        if secret_file is not None:
            if secret is not None:
                raise ConfigurationError(Problem("secret", "is given twice", "give secret or secret_file"))
            secret = read_secret(Path(secret_file)).get_secret_value()
        given = secret.encode() if isinstance(secret, str) else secret
        if given is not None and len(given) < _LEAST_SECRET:
            reason = f"has fewer than {_LEAST_SECRET} bytes"
            raise ConfigurationError(Problem("secret", reason, "take 32 random bytes: openssl rand -hex 32"))
        return cls(given)

    @property
    def is_signed(self) -> bool:
        """Whether the header is signed: then each message has one."""
        return self._secret is not None

    def written(self, context: Mapping[str, Any], *, task_id: str, task: str) -> dict[str, Any]:
        """Return the header's value.

        Args:
            context: What the audit context says.
            task_id: Id of the task, which the signature binds.
            task: Its name, likewise.
        """
        fields = {name: _text(context[name]) for name in CARRIED if name in context}
        value: dict[str, Any] = {"v": _VERSION, "fields": fields}
        if self._secret is not None:
            value["mac"] = self._mac(fields, task_id=task_id, task=task)
        return value

    def read(self, value: Any, *, task_id: str, task: str) -> dict[str, Any]:
        """Return what a header says, for ``audit_context``; it comes from outside.

        Args:
            value: Value of the header, or None where there is none.
            task_id: Id of the task that it came with.
            task: Its name.

        Returns:
            The fields, with ``claimed_by`` where nothing signs them. A header that is malformed, or whose signature is wrong or
            missing, says nothing but that.
        """
        fields = value.get("fields") if isinstance(value, Mapping) and value.get("v") == _VERSION else None
        if not isinstance(fields, Mapping) or not all(_is_sound(name, text) for name, text in fields.items()):
            is_plain = value is None and self._secret is None
            return {} if is_plain else dict(_CLAIMED)
        known = dict(fields)
        if self._secret is None:
            return {**known, **_CLAIMED}
        mac = value.get("mac")
        if not isinstance(mac, str) or not mac.isascii():
            return dict(_CLAIMED)
        is_ours = hmac.compare_digest(mac, self._mac(known, task_id=task_id, task=task))
        return known if is_ours else dict(_CLAIMED)

    def _mac(self, fields: Mapping[str, Any], *, task_id: str, task: str) -> str:
        assert self._secret is not None  # noqa: S101 - for the type checker: both callers have looked
        said = json.dumps([_VERSION, task_id, task, fields], sort_keys=True, separators=(",", ":"))
        return hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    if len(text) <= _MAX_TEXT:
        return text
    # Two users whose long names begin alike stay two.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return text[: _MAX_TEXT - 1 - len(digest)] + "#" + digest


def _is_sound(name: Any, text: Any) -> bool:
    # log() refuses any other kind of actor: anyone who publishes could keep a task out of the trail.
    if name == "actor_type" and text is not None and text not in _ACTOR_TYPES:
        return False
    return name in CARRIED and (text is None or (isinstance(text, str) and len(text) <= _MAX_TEXT))
