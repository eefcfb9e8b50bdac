"""Refuses to run where gevent or eventlet has replaced the threads of this process."""

from __future__ import annotations

import _thread
import sys

from telemetry.exceptions import ConfigurationError, LifecycleError, Problem

START_NEW_THREAD = _thread.start_new_thread
"""As it was when this module was imported: if it is another one now, somebody may have replaced threads meanwhile."""

_REASON = "has replaced Python's {}, and a call into Kafka's client would stop every greenlet of this process for ever"
_INSTEAD = (
    "use workers of threads or processes, or log from a process of its own: see green threads in docs/operations.md"
)


def require_real_threads() -> None:
    """Check that threads and queues are those of Python, whose thread that waits in a C library stops no other.

    Both libraries are harmless while they are only imported, and while they have replaced other modules, such as
    ``socket``.

    Raises:
        ConfigurationError: ``gevent.monkey`` or ``eventlet.monkey_patch()`` has replaced them.
    """
    # Looked up and not imported: what was not imported has replaced nothing. Each library says itself what it replaced,
    # because a debugger replaces functions of `threading` too, and harms nothing.
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None:
        replaced = [name for name in ("threading", "_thread", "queue") if gevent.is_module_patched(name)]
        if replaced:
            raise ConfigurationError(
                _problem("gevent", replaced, call="gevent.monkey.patch_all(thread=False, queue=False)")
            )
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        raise ConfigurationError(_problem("eventlet", ["threading"], call="eventlet.monkey_patch(thread=False)"))


def require_kept_locks() -> None:
    """Check that the locks which exist already can still be taken: eventlet exchanges them, gevent leaves them as they are.

    Raises:
        LifecycleError: ``eventlet.monkey_patch()`` has exchanged them.
    """
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        message = (
            "eventlet has replaced Python's threads and exchanged the locks of a running pipeline, which cannot be shut down; "
            "events that were neither spooled nor delivered are lost. Call eventlet.monkey_patch(thread=False) instead, "
            f"or {_INSTEAD}"
        )
        raise LifecycleError(message)


def _problem(library: str, replaced: list[str], *, call: str) -> Problem:
    return Problem("", f"{library} {_REASON.format(', '.join(replaced))}", f"call {call}, or {_INSTEAD}")
