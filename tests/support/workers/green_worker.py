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
    """Log from greenlets, or, with ``fork:`` before ``how``, from a child that replaces them after the fork."""
    is_forked, how = how.startswith("fork:"), how.removeprefix("fork:")
    if not is_forked:
        replace(how)
    from telemetry.exceptions import ConfigurationError  # noqa: PLC0415 - after the modules are replaced
    from telemetry.sync import Telemetry  # noqa: PLC0415
    from tests.support.events_at_rest import in_fallback  # noqa: PLC0415
    from tests.support.quick_telemetry import NOWHERE, quick_config  # noqa: PLC0415
    from tests.support.until import until  # noqa: PLC0415

    config = quick_config(brokers, Path(folder))
    telemetry = Telemetry(config)

    def work() -> int:
        receipts = [telemetry.audit.log("login", {}, user_id="ada") for _ in range(EVENTS)]
        for receipt in receipts:
            receipt.wait_delivered(60)
        return len(receipts)

    try:
        telemetry.start()
        if not is_forked:
            _say("logged", sum(spawn_all(how.partition(".")[0], work)))
            if brokers != NOWHERE:
                until(lambda: not in_fallback(config), what="the replay")
        else:
            child = os.fork()
            if child:
                _, status = os.waitpid(child, 0)
                _say("child", os.waitstatus_to_exitcode(status))
            else:
                replace(how)
                telemetry.audit.log("login", {}, user_id="ada")
        telemetry.shutdown(30)
    except ConfigurationError as exc:
        _say("refused:", exc)
        if is_forked:
            os._exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
