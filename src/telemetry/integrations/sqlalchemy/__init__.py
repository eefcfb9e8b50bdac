"""Log what sessions of SQLAlchemy create, change and delete.

>>> SessionAudit(Session)  # a sessionmaker, an async_sessionmaker, or any session  # doctest: +SKIP
"""

from __future__ import annotations

try:
    import sqlalchemy as _sqlalchemy
except ImportError as _error:
    from telemetry.exceptions import MissingExtraError

    _feature = "telemetry.integrations.sqlalchemy"
    raise MissingExtraError(_feature, "sqlalchemy") from _error

from telemetry.integrations.sqlalchemy.model_rules import audited_model
from telemetry.integrations.sqlalchemy.session_audit import SessionAudit

__all__ = ["SessionAudit", "audited_model"]

del _sqlalchemy
