"""Says which management command made the changes that are logged while it runs."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.core.management.base import BaseCommand

from telemetry.context import audit_context, current_audit_context
from telemetry.integrations.django.changes.delivery import NOBODY

_MARK = "_is_audited_by_telemetry"

_SERVERS = frozenset(("runserver", "testserver"))
"""Commands in which others act."""


def install() -> None:
    """Put the context of a command around each one; once, however often this is called."""
    original = BaseCommand.execute
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def execute(self: BaseCommand, *args: Any, **options: Any) -> Any:
        name = type(self).__module__.rpartition(".")[2]
        if name in _SERVERS:
            return original(self, *args, **options)
        # A command that a request or another program calls acts for that.
        fields: dict[str, Any] = {} if "user_id" in current_audit_context() else NOBODY
        with audit_context(source=f"manage.py {name}", **fields):
            return original(self, *args, **options)

    setattr(execute, _MARK, True)
    BaseCommand.execute = execute  # type: ignore[method-assign]
