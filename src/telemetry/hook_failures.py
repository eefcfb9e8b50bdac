"""Counts events that a hook could not log, or not completely, where its application must not learn of it."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref

from opentelemetry import metrics

from telemetry.version import __version__

logger = logging.getLogger("telemetry.hooks")

_EVERY_SECONDS = 60.0
_LATE_HOOKS = ("audited", "audit_context")
"""Hooks that begin to count with their first use, which may be their first failure."""

_known: weakref.WeakSet[HookFailures] = weakref.WeakSet()


class HookFailures:
    """Counts and logs failures: the first at once, those after it once a minute with their number, never their content.

    They are counted in ``audit.hooks.failed_total`` too, which begins with 0.

    Args:
        hook: What failed, such as ``asgi`` or ``audited``; an attribute of the counter, so it must be a constant.
    """

    def __init__(self, hook: str) -> None:
        self._hook = hook
        self._lock = threading.Lock()
        self._count = 0
        self._untold = 0
        self._next = 0.0
        self._counter = _counter()
        self._counter.add(0, {"hook": hook})
        _known.add(self)

    @property
    def count(self) -> int:
        """Failures so far."""
        return self._count

    def add(self, error: BaseException) -> None:
        """Count a failure."""
        self._counter.add(1, {"hook": self._hook})
        with self._lock:
            self._count += 1
            self._untold += 1
            now = time.monotonic()
            if now < self._next:
                return
            untold, self._untold = self._untold, 0
            self._next = now + _EVERY_SECONDS
        logger.error(
            "%d audit events of %s were not logged, or not completely (%s); the application went on. Watch audit.hooks.failed_total",
            untold,
            self._hook,
            type(error).__name__,
        )

    def renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held at the moment of the fork."""
        self._lock = threading.Lock()


def begin_with_zero() -> None:
    """Count 0 for the hooks that begin with their first use, so that the first failure is a rise; a pipeline does it."""
    counter = _counter()
    for hook in _LATE_HOOKS:
        counter.add(0, {"hook": hook})


def _counter() -> metrics.Counter:
    return metrics.get_meter("telemetry", __version__).create_counter(
        "audit.hooks.failed_total",
        unit="{failure}",
        description="Events that a hook could not log, or not completely",
    )


def _renew_after_fork() -> None:
    for failures in list(_known):
        failures.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
