"""Drives the logging handler through outages, shutdowns, forks and signals: no loop, no dead-lock, no traceback."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.integrations.logging import AuditHandler
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config, running
from tests.support.sending_pipeline import sending_pipeline
from tests.support.until import until

_ROOM = 20


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before, level = list(logger.handlers), logger.level
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)


def test_root_handler_does_not_feed_on_an_outage(root: logging.Logger, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(NOWHERE, tmp_path, storage_config=store.config, fallback_object_seconds=0.02)
    with running(config) as telemetry:
        handler = AuditHandler(telemetry=telemetry)
        root.addHandler(handler)
        store.begin("hanging")
        for number in range(50):
            logging.getLogger("shop").info("line %d", number)
        # The outage is noticed, and said on the library's own loggers, which the handler gets as well.
        until(lambda: telemetry.health().diverted)
        accepted = telemetry.audit.get_audit_stats().logged
        store.clear()
        until(lambda: telemetry.audit.get_audit_stats().stored >= 50)

    assert accepted == 50
    assert handler.failures == 0


def test_full_queue_never_keeps_a_thread(root: logging.Logger, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        queue_max_events=_ROOM,
        queue_full_timeout_ms=60_000,
        fallback_object_seconds=0.02,
    )
    with running(config) as telemetry:
        store.begin("hanging")
        handler = AuditHandler(telemetry=telemetry)
        root.addHandler(handler)
        intake = sending_pipeline(telemetry._runtime)._intake
        # As many as there is room, as many as may wait, and one more: in a thread without an event loop, which log() blocks.
        for number in range(2 * _ROOM + 1):
            logging.getLogger("shop").info("line %d", number)
        waiting = intake.waiting
        root.removeHandler(handler)
        store.clear()
        until(lambda: telemetry.audit.get_audit_stats().stored == 2 * _ROOM)

    assert waiting == _ROOM
    assert handler.failures == 1


def test_block_ms_bounds_the_wait(root: logging.Logger, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        queue_max_events=_ROOM,
        queue_full_timeout_ms=60_000,
        fallback_object_seconds=0.02,
    )
    with running(config) as telemetry:
        store.begin("hanging")
        handler = AuditHandler(telemetry=telemetry, block_ms=20)
        patient = AuditHandler(telemetry=telemetry, block_ms=600_000)
        root.addHandler(handler)
        for number in range(_ROOM + 2):
            logging.getLogger("shop").info("line %d", number)
        root.handlers[-1:] = [patient]
        thread = threading.Thread(target=logging.getLogger("shop").info, args=("patient",))
        thread.start()
        until(lambda: sending_pipeline(telemetry._runtime)._intake.waiting == 3)
        assert thread.is_alive()
        store.clear()
        thread.join(200)
        assert not thread.is_alive()

    assert (handler.failures, patient.failures) == (0, 0)


def test_threads_log_while_it_shuts_down(
    root: logging.Logger, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedKafka() as kafka:
        telemetry = Telemetry(quick_config(kafka.bootstrap_servers, tmp_path))
        telemetry.start()
        handler = AuditHandler(telemetry=telemetry)
        root.addHandler(handler)
        stop, logged = threading.Event(), [0] * 8

        def keep_logging(number: int) -> None:
            while not stop.is_set():
                logging.getLogger(f"shop.{number}").info("line", extra={"user_id": number})
                logged[number] += 1

        threads = [threading.Thread(target=keep_logging, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: min(logged) > 20)
        report = telemetry.shutdown()
        after = list(logged)
        until(lambda: all(now > then for now, then in zip(logged, after, strict=True)))
        stop.set()
        for thread in threads:
            thread.join(100)
        root.removeHandler(handler)

    assert [thread for thread in threads if thread.is_alive()] == []
    assert report.delivered + report.stored + handler.failures == sum(logged)
    assert handler.failures > 0
    assert "Traceback" not in capfd.readouterr().err


def test_forked_child_logs_beside_busy_threads(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        done = subprocess.run(
            [sys.executable, "-c", _FORK, kafka.bootstrap_servers, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, "child: 0\n"), done.stderr


def test_signal_handler_may_log(root: logging.Logger, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka, running(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
        handler = AuditHandler(telemetry=telemetry)
        root.addHandler(handler)
        seen = []

        def on_signal(*_: object) -> None:
            logging.getLogger("shop").info("signal")
            seen.append(1)

        before = signal.signal(signal.SIGUSR1, on_signal)
        try:
            main = threading.main_thread().ident
            assert main is not None

            def send(to: int = main) -> None:
                for _ in range(500):
                    signal.pthread_kill(to, signal.SIGUSR1)

            sender = threading.Thread(target=send)
            sender.start()
            lines = 0
            while sender.is_alive() or lines < 500:
                logging.getLogger("shop").info("line")
                lines += 1
            sender.join()
        finally:
            signal.signal(signal.SIGUSR1, before)
        root.removeHandler(handler)
        accepted = telemetry.audit.get_audit_stats().logged

    assert handler.failures == 0
    assert accepted == lines + len(seen) - handler.skipped


_FORK = """
import logging, os, signal, sys, threading
from pathlib import Path
from telemetry.integrations.logging import AuditHandler
from telemetry.sync import Telemetry
from tests.support.quick_telemetry import quick_config

telemetry = Telemetry(quick_config(sys.argv[1], Path(sys.argv[2])))
telemetry.start()
handler = AuditHandler(telemetry=telemetry)
logging.basicConfig(level=logging.DEBUG, handlers=[handler])
stop = threading.Event()

def keep_logging():
    while not stop.is_set():
        logging.getLogger("shop").info("parent")

threads = [threading.Thread(target=keep_logging) for _ in range(4)]
for thread in threads:
    thread.start()
child = os.fork()
if child == 0:
    signal.alarm(100)  # a child that hangs is killed
    logging.getLogger("shop").info("child")
    telemetry.shutdown(60)
    os._exit(handler.failures)
stop.set()
for thread in threads:
    thread.join()
print("child:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
telemetry.shutdown(60)
"""

_AT_EXIT = """
import atexit, logging, sys, threading
from telemetry.integrations.logging import AuditHandler
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, TelemetryConfig

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
logging.getLogger().addHandler(AuditHandler())
logging.getLogger("shop").info("before it is started")
atexit.register(logging.getLogger("shop").info, "after the end")
telemetry = Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:")))
telemetry.start()
logging.getLogger("shop").info("line")
thread = threading.Thread(target=lambda: [logging.getLogger("shop").info("more") for _ in range(1000)], daemon=True)
thread.start()
"""


def test_end_of_the_program_prints_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", _AT_EXIT], capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "Logging error" not in done.stderr
