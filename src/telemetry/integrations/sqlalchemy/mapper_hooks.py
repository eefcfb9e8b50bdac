"""Listens to what flushes do to rows; sessions that are not audited pay one look-up a row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import Mapper, object_session

from telemetry.integrations.sqlalchemy.flush_watch import FlushWatch
from telemetry.integrations.sqlalchemy.model_rules import ModelRules
from telemetry.integrations.sqlalchemy.session_work import INFO_KEY

_Watching = Callable[[FlushWatch, ModelRules, Connection, object], None]
_lock = threading.Lock()
_listening = False


def listen_to_mappers() -> None:
    """Listen, once in a process."""
    global _listening  # noqa: PLW0603 - the listeners belong to all mappers of the process
    with _lock:
        if _listening:
            return
        _listening = True
    event.listen(Mapper, "after_insert", _hook(FlushWatch.inserted))
    event.listen(Mapper, "before_update", _hook(FlushWatch.before_update))
    event.listen(Mapper, "after_update", _hook(FlushWatch.updated))
    event.listen(Mapper, "before_delete", _hook(FlushWatch.before_delete))


def _hook(watch: _Watching) -> Callable[[Mapper[Any], Connection, object], None]:
    def hook(mapper: Mapper[Any], connection: Connection, target: object) -> None:
        session = object_session(target)
        audited = None if session is None else session.info.get(INFO_KEY)
        if audited is None:
            return
        try:
            watching = audited.work.watching(mapper)
            if watching is not None:
                flush, rules = watching
                watch(flush, rules, connection, target)
        except Exception as exc:  # noqa: BLE001 - what becomes of it depends on where events go
            audited.sink.failed(exc)

    return hook
