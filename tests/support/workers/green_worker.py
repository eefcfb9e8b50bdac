"""Replaces modules by those of gevent or eventlet, then logs from several greenlets; says on standard output what happened.

Arguments: broker, folder, and how modules are replaced.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

EVENTS, GREENLETS = 50, 4


def replace(how: str) -> None:
    """Replace modules as an application does; everything is imported by name, so that nothing is patched too early."""
    warnings.simplefilter("ignore")
    library, _, call = how.partition(".")
    if library == "eventlet":
        eventlet = import_module("eventlet")
        calls: dict[str, Callable[[], Any]] = {
            "all": eventlet.monkey_patch,
            "safe": lambda: eventlet.monkey_patch(thread=False),
            "nothing": lambda: None,
        }
    else:
        monkey = import_module("gevent.monkey")
        calls = {
            "all": monkey.patch_all,
            "thread": monkey.patch_thread,
            "queue": lambda: monkey.patch_all(thread=False),
            "safe": lambda: monkey.patch_all(thread=False, queue=False),
            "nothing": lambda: None,
        }
    calls[call]()


def spawn_all(library: str, work: Callable[[], int]) -> list[int]:
    """Run the work in greenlets, and return their results."""
    if library == "eventlet":
        pool = import_module("eventlet").GreenPool()
        threads = [pool.spawn(work) for _ in range(GREENLETS)]
        return [thread.wait() for thread in threads]
    gevent = import_module("gevent")
    jobs = [gevent.spawn(work) for _ in range(GREENLETS)]
    gevent.joinall(jobs, raise_error=True)
    return [job.value for job in jobs]


def _say(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def main(brokers: str, folder: str, how: str) -> None:
    """Log from greenlets.

    With ``fork:`` before ``how`` a child replaces threads after the fork, and with ``late:`` the process itself after
    ``start()``. With ``read:`` it reads instead.
    """
    when, _, how = how.rpartition(":")
    if when in ("", "read"):
        replace(how)
    from telemetry.exceptions import ConfigurationError  # noqa: PLC0415 - after the modules are replaced
    from telemetry.reader.sources.kafka import KafkaSource  # noqa: PLC0415
    from telemetry.sync import Telemetry  # noqa: PLC0415
    from tests.support.events_at_rest import in_fallback  # noqa: PLC0415
    from tests.support.quick_telemetry import NOWHERE, quick_config  # noqa: PLC0415
    from tests.support.until import until  # noqa: PLC0415

    config = quick_config(brokers, Path(folder))
    telemetry = Telemetry(config)

    def log() -> Any:
        return telemetry.audit.log("login", {}, user_id="ada")

    def work() -> int:
        receipts = [log() for _ in range(EVENTS)]
        for receipt in receipts:
            receipt.wait_delivered(60)
        return len(receipts)

    def in_greenlets() -> None:
        _say("logged", sum(spawn_all(how.partition(".")[0], work)))
        if brokers != NOWHERE:
            until(lambda: not in_fallback(config), what="the replay")

    def in_child() -> None:
        if child := os.fork():
            _say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return
        replace(how)
        log()

    def in_changed_process() -> None:
        log().wait_delivered(60)
        replace(how)
        log()

    try:
        if when == "read":
            KafkaSource(config).close()
        telemetry.start()
        {"fork": in_child, "late": in_changed_process}.get(when, in_greenlets)()
        telemetry.shutdown(30)
    except ConfigurationError as exc:
        _say("refused:", exc)
        if when == "fork":
            os._exit(3)
        if when == "late":
            _say("delivered", telemetry.shutdown(30).delivered)


if __name__ == "__main__":
    main(*sys.argv[1:])
