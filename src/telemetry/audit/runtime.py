"""Starts, renews and ends the pipeline of a process: across forks, and until the interpreter exits."""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.assembly import assemble
from telemetry.audit.health import NOT_STARTED, STOPPED, Health
from telemetry.audit.local.captures import captures
from telemetry.audit.local.pipeline import captured_pipeline, local_pipeline
from telemetry.audit.receipt import reset_after_fork
from telemetry.audit.reports import ShutdownReport
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.config.passphrases import GOOD_CHARACTERS, short_passphrases, weak_passphrases
from telemetry.exceptions import ConfigurationError, LifecycleError, Problem, TelemetryError
from telemetry.kafka.green_threads import START_NEW_THREAD, require_kept_locks, require_real_threads
from telemetry.system.core_dumps import disable_core_dumps
from telemetry.system.deadline import Deadline

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog

logger = logging.getLogger("telemetry")

EXIT_SECONDS = 5.0
_LEAST_EXIT_SECONDS = 0.1

_abandoned: list[EventPipeline] = []
"""Pipelines of a parent process: their clients must not even be destroyed in a child."""

_running: set[Runtime] = set()
"""Runtimes that were started and not shut down. Their events are on the way, even if the application dropped the object."""

_known: weakref.WeakSet[Runtime] = weakref.WeakSet()


class Runtime:
    """Starts, finds and ends the pipeline of the current process.

    Args:
        config: A ``TelemetryConfig``, or a bare ``AuditConfig``.
        catalog: The declared types, if there is a catalogue.
        for_reading: Only the event that records a read is logged. A short passphrase does not keep a reader from an old
            trail.
    """

    # attributes: one process's state, and what it is built from
    def __init__(
        self,
        config: TelemetryConfig | AuditConfig,
        *,
        catalog: AuditCatalog | None = None,
        for_reading: bool = False,
    ) -> None:
        if isinstance(config, AuditConfig):
            config = TelemetryConfig(audit_config=config)
        if not isinstance(config, TelemetryConfig):
            problem = Problem("config", f"is of type {type(config).__name__}", "give a TelemetryConfig or AuditConfig")
            raise ConfigurationError(problem)
        self.config = config
        self._catalog = catalog
        self._for_reading = for_reading
        self._lock = threading.Lock()
        self._pipeline: EventPipeline | None = None
        self._captured: EventPipeline | None = None
        # The same one, for as long as it may be used. `log()` reads only this: the process id is a system call, too slow
        # for each event. A fork clears it, and so does a capture that begins or ends: then `_choose` is asked.
        self._usable: EventPipeline | None = None
        self._ended = False
        _known.add(self)
        captures.follow(self)

    @property
    def never_blocks(self) -> bool:
        """Whether ``start()`` and ``shutdown()`` ask nothing of a disk, a key service or Kafka."""
        is_captured_only = self._is_captured and self._pipeline is None
        return is_captured_only or self.config.audit_config.local_mode is not None

    def start(self) -> None:
        """Check keys, Kafka settings and store, and begin; calling it again does nothing."""
        # Before any lock or thread: one that was replaced may never come back.
        require_real_threads()
        with self._lock:
            if self._ended:
                message = "telemetry was shut down; create a new Telemetry to start again"
                raise LifecycleError(message)
            if self._is_captured:
                self._usable = self._capture()
                return
            if self._pipeline is not None and self._pipeline.pid == os.getpid():
                return
            if self._pipeline is not None:
                _abandoned.append(self._pipeline)
            if self.config.audit_config.disable_core_dumps:
                disable_core_dumps()
            self._pipeline = self._usable = self._build(check=True)

    def pipeline(self) -> EventPipeline:
        """Return the pipeline of this process; a forked child gets one of its own here, and a captured process a local one.

        Raises:
            LifecycleError: Not started, or shut down.
            ConfigurationError: gevent or eventlet has replaced threads.
        """
        # A look at one name, since each event comes by: threads can be replaced after start() too.
        if _thread.start_new_thread is not START_NEW_THREAD:
            require_real_threads()
        return self._usable or self._choose()

    def health(self) -> Health:
        """Return how the pipeline of this process is; takes no lock of the runtime, and begins nothing in a forked child."""
        pipeline, has_ended = self._pipeline or self._captured, self._ended
        if pipeline is not None and pipeline.pid == os.getpid():
            return pipeline.health(is_ending=has_ended)
        if has_ended:
            return Health(state="stopped", reasons=(STOPPED,))
        if pipeline is None:
            return Health(state="not_started", reasons=(NOT_STARTED,))
        return Health(state="inherited")

    def shutdown(self, timeout: float) -> ShutdownReport:
        """End the pipeline; calling it again returns the same report.

        Raises:
            LifecycleError: eventlet has exchanged the locks of this process.
        """
        # Before any lock, as in start().
        require_kept_locks()
        with self._lock:
            self._ended, self._usable = True, None
            pipeline = self._pipeline or self._captured
        _running.discard(self)
        if pipeline is None or pipeline.pid != os.getpid():
            return ShutdownReport(delivered=0, stored=0)
        return pipeline.shutdown(timeout)

    def capture_changed(self) -> None:
        """Have the next event choose its pipeline again; called when a capture begins or ends."""
        with self._lock:
            self._usable = None

    def renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held at the moment of the fork."""
        self._lock = threading.Lock()
        self._usable = None

    def end_with_process(self, timeout: float) -> None:
        """Save what can be saved when the program ends without ``shutdown()``."""
        pipeline = self._pipeline
        if pipeline is None or self._ended or pipeline.pid != os.getpid():
            return
        logger.warning("exiting without shutdown(); saving events for at most %g s", EXIT_SECONDS)
        try:
            self.shutdown(timeout)
        except TelemetryError:
            logger.exception("events were lost at exit")

    @property
    def _is_captured(self) -> bool:
        # What records a read is no event of the code under test: it belongs into the trail that is read.
        return captures.is_active and not self._for_reading

    def _choose(self) -> EventPipeline:
        """Return the pipeline that may be used now, and remember it."""
        # At once, without the lock: start() holds it while it checks everything.
        self._require_running()
        # A child of a started parent is replaced after the fork, by a server whose workers are greenlets.
        require_real_threads()
        with self._lock:
            pipeline = self._require_running()
            if self._is_captured:
                pipeline = self._capture()
            elif pipeline.pid != os.getpid():
                # A forked child: nothing of the parent's may be used, or even released, here.
                _abandoned.append(pipeline)
                # Without trials: the parent has made them, and a first log() should not wait for them.
                pipeline = self._pipeline = self._build(check=False)
            self._usable = pipeline
        return pipeline

    def _capture(self) -> EventPipeline:
        if self._captured is None or self._captured.pid != os.getpid():
            self._captured = captured_pipeline(self.config, self._catalog)
            if self._pipeline is not None:
                logger.warning("events are captured by telemetry.testing and not sent until the capture ends")
        return self._captured

    def _build(self, *, check: bool) -> EventPipeline:
        mode = self.config.audit_config.local_mode
        if mode is not None and self._for_reading:
            reason = "sends nothing, so there is no trail in which this read could be recorded"
            raise ConfigurationError(Problem("audit_config", reason, "name the brokers in kafka_brokers"))
        if mode is not None:
            return local_pipeline(self.config, mode, catalog=self._catalog, is_start=check)
        if check and not self._for_reading:
            _require_long_passphrases(self.config.audit_config)
        pipeline = assemble(self.config, catalog=self._catalog, check=check)
        _end_with_process(self)
        return pipeline

    def _require_running(self) -> EventPipeline:
        pipeline = self._pipeline or self._captured
        if pipeline is None or self._ended:
            state = "shut down" if self._ended else "not started"
            message = f"telemetry is {state}; call start() first, and log before shutdown()"
            raise LifecycleError(message)
        if self._pipeline is None and not self._is_captured:
            message = (
                "telemetry was started while its events were captured, and the capture has ended; call start() again"
            )
            raise LifecycleError(message)
        return pipeline


def _require_long_passphrases(config: AuditConfig) -> None:
    problems = short_passphrases(config)
    if problems:
        raise ConfigurationError(*problems)
    for field in weak_passphrases(config):
        logger.warning(
            "%s has fewer than %d characters; set a longer one with `telemetry keys change-passphrase`",
            field,
            GOOD_CHARACTERS,
        )


def _end_with_process(runtime: Runtime) -> None:
    """Arrange that a runtime is ended when its process ends, in every way in which Python code still runs."""
    _running.add(runtime)
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    # A child of multiprocessing ends with os._exit(): only multiprocessing's own finalizers run there.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - slow to import, and loaded by now in such a child

        Finalize(None, _end_all, exitpriority=0)


def _end_all() -> None:
    # One limit for all of them, and a little for each: the first may have taken all of it.
    deadline = Deadline(EXIT_SECONDS)
    for runtime in list(_running):
        runtime.end_with_process(max(deadline.remaining, _LEAST_EXIT_SECONDS))


def _renew_after_fork() -> None:
    reset_after_fork()
    captures.renew_after_fork()
    for runtime in list(_known):
        runtime.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
