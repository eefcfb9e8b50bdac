"""Chooses the subject store of a URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

from telemetry.config import SubjectKeysConfig
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.exceptions import ConfigurationError, Problem

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>.+)", re.DOTALL)
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?P<rest>.*)", re.DOTALL)


def open_store(config: SubjectKeysConfig, *, creates: bool = False) -> SubjectStore:
    """Return the store of a configuration, not yet connected.

    Args:
        config: Names the store.
        creates: Whether a SQLite file that is absent is created. The tables in PostgreSQL are created by its administrator.

    Raises:
        ConfigurationError: The URL names no supported database; the message never repeats it.
        MissingExtraError: The driver is not installed.
    """
    url = config.store.get_secret_value() if config.store is not None else ""
    sqlite = _SQLITE.fullmatch(url)
    if sqlite:
        from telemetry.encryption.subjects.store.sqlite import SqliteSubjectStore  # noqa: PLC0415 - one of the two

        return SqliteSubjectStore(unquote(sqlite["path"]), creates=creates)
    postgresql = _POSTGRESQL.fullmatch(url)
    if postgresql:
        from telemetry.encryption.subjects.store.postgres import PostgresSubjectStore  # noqa: PLC0415 - one of the two

        return PostgresSubjectStore(f"postgresql://{postgresql['rest']}")
    remedy = "give postgresql://user@host/name or sqlite:////folder/file.db"
    raise ConfigurationError(Problem("audit_config.subject_keys.store", "is no URL of a supported database", remedy))
