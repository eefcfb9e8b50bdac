"""What ``Telemetry`` is made of, in blocking code: the life of a pipeline, across forks and to the end of the interpreter."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref

from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.receipt import reset_after_fork
from telemetry.audit.reports import ShutdownReport
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, LifecycleError, Problem, TelemetryError

logger = logging.getLogger("telemetry")

EXIT_SECONDS = 5.0

_abandoned: list[AuditPipeline] = []
"""Pipelines of a parent process: their clients must not even be destroyed in a child."""

_running: set[Runtime] = set()
"""Started and not shut down. Their events are on the way, even when the application dropped the object."""

_known: weakref.WeakSet[Runtime] = weakref.WeakSet()


class Runtime:
    """Starts, finds and ends the pipeline of the current process.

    Args:
        config: A ``TelemetryConfig``, or a bare ``AuditConfig``.
    """

    def __init__(self, config: TelemetryConfig | AuditConfig) -> None:
        if isinstance(config, AuditConfig):
            config = TelemetryConfig(audit_config=config)
        if not isinstance(config, TelemetryConfig):
            problem = Problem("config", f"is of type {type(config).__name__}", "give a TelemetryConfig or AuditConfig")
            raise ConfigurationError(problem)
        self.config = config
        self._lock = threading.Lock()
        self._pipeline: AuditPipeline | None = None
        # The same while it may be used: asking for the process id is a system call, too much for each event.
        self._usable: AuditPipeline | None = None
        self._ended = False
        _known.add(self)

    def start(self) -> None:
        """Check the configuration for real, and begin; calling it again does nothing."""
        with self._lock:
            if self._ended:
                message = "telemetry was shut down; make a new Telemetry to start again"
                raise LifecycleError(message)
            if self._pipeline is not None and self._pipeline.pid == os.getpid():
                return
            if self._pipeline is not None:
                _abandoned.append(self._pipeline)
            pipeline = AuditPipeline(self.config)
            pipeline.start()
            self._pipeline = self._usable = pipeline
            _end_with_process(self)

    def pipeline(self) -> AuditPipeline:
        """Return the pipeline of this process; a forked child gets one of its own here.

        Raises:
            LifecycleError: Not started, or shut down.
        """
        return self._usable or self._after_fork()

    def shutdown(self, timeout: float) -> ShutdownReport:
        """End the pipeline; calling it again returns the same report."""
        with self._lock:
            self._ended, self._usable = True, None
            pipeline = self._pipeline
        _running.discard(self)
        if pipeline is None or pipeline.pid != os.getpid():
            return ShutdownReport(delivered=0, stored=0)
        return pipeline.shutdown(timeout)

    def renew_after_fork(self) -> None:
        """Replace what a thread of the parent may have held at the moment of the fork."""
        self._lock = threading.Lock()
        self._usable = None

    def end_with_process(self, timeout: float) -> None:
        """Save what can be saved when the program ends without ``shutdown()``."""
        pipeline = self._pipeline
        if pipeline is None or self._ended or pipeline.pid != os.getpid():
            return
        logger.warning("the program ends without shutdown(); events are saved for at most %g s", EXIT_SECONDS)
        try:
            self.shutdown(timeout)
        except TelemetryError:
            logger.exception("events were lost at the end of the program")

    def _after_fork(self) -> AuditPipeline:
        """Make this child a pipeline of its own: nothing of the parent's may be used, or even released, here."""
        self._require_running()  # at once: start() holds the lock while it checks everything
        with self._lock:
            pipeline = self._require_running()
            if pipeline.pid == os.getpid():
                return pipeline
            _abandoned.append(pipeline)
            pipeline = AuditPipeline(self.config)
            pipeline.start(check=False)
            self._pipeline = self._usable = pipeline
            _end_with_process(self)
        return pipeline

    def _require_running(self) -> AuditPipeline:
        pipeline = self._pipeline
        if pipeline is None or self._ended:
            state = "shut down" if self._ended else "not started"
            message = f"telemetry is {state}; call start() first, and log before shutdown()"
            raise LifecycleError(message)
        return pipeline


def _end_with_process(runtime: Runtime) -> None:
    """Have a runtime ended when its process ends, however that is done where Python code still runs."""
    _running.add(runtime)
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    # A child of multiprocessing ends with os._exit(): only multiprocessing's own finalizers run there.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - slow to import, and loaded by now in such a child

        Finalize(None, _end_all, exitpriority=0)


def _end_all() -> None:
    give_up = time.monotonic() + EXIT_SECONDS
    for runtime in list(_running):
        runtime.end_with_process(max(give_up - time.monotonic(), 0.1))


def _renew_after_fork() -> None:
    reset_after_fork()
    for runtime in list(_known):
        runtime.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
