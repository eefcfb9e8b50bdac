"""Forks, spawns and runs event loops while it logs; each process prints its accepted events, one a line."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from telemetry import Telemetry
from telemetry.audit import runtime
from telemetry.audit.receipt import Receipt
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.types import AuditConfig

EVENTS = 100
# Forking beside running threads is what this is about.
warnings.simplefilter("ignore", DeprecationWarning)
_SHUTDOWN_SECONDS = 100.0


def config_of(brokers: str, folder: str) -> AuditConfig:
    """Return the configuration that every process here has."""
    return AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        spool_path=Path(folder, "spool"),
        # Patient: on a busy machine a slow answer must not send events to the fallback.
        kafka_timeout_ms=30_000,
        batch_timeout_ms=5,
        encryption_config={"provider": "local_key", "key_path": f"{folder}/key", "passphrase": "correct horse"},  # type: ignore[arg-type]
        storage_config={"provider": "local_file", "base_path": f"{folder}/fallback"},  # type: ignore[arg-type]
    )


def print_receipt(receipt: Receipt) -> None:
    """Print a receipt with one call, so that the lines of several processes do not mix."""
    os.write(1, f"{receipt.event_id} {receipt.producer} {receipt.sequence} {os.getpid()}\n".encode())


def log_some(telemetry: BlockingTelemetry, count: int = EVENTS) -> None:
    """Log events of this process."""
    for number in range(count):
        user = f"user-{os.getpid()}-{threading.get_ident() % 97}-{number % 5}"
        print_receipt(telemetry.audit.log("work", {"number": number}, user))


def allow_a_slow_exit() -> None:
    """Let this process save its events at its end for longer than the product does: here nothing may be left."""
    runtime.EXIT_SECONDS = _SHUTDOWN_SECONDS


def in_new_process(brokers: str, folder: str) -> None:
    """Log in a spawned process, which ends without shutdown."""
    allow_a_slow_exit()
    telemetry = BlockingTelemetry(config_of(brokers, folder))
    telemetry.start()
    log_some(telemetry)


def multiprocessing_fork(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Fork two children with multiprocessing; they end without shutdown."""
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=log_some, args=(telemetry,)) for _ in range(2)]
    _run_beside(children, telemetry)


def multiprocessing_spawn(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Spawn two children with multiprocessing; they end without shutdown."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=in_new_process, args=(brokers, folder)) for _ in range(2)]
    _run_beside(children, telemetry)


def multiprocessing_forkserver(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Start two children of a fork server; they end without shutdown."""
    context = multiprocessing.get_context("forkserver")
    children = [context.Process(target=in_new_process, args=(brokers, folder)) for _ in range(2)]
    _run_beside(children, telemetry)


def fork_beside_threads(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Fork eight times while four threads log without a pause; the threads of a child log at once together.

    Between the forks they rest: the embedded Kafka forgets what is too much.
    """
    stop, go, bursts = threading.Event(), threading.Event(), threading.Semaphore(0)

    def log_on() -> None:
        while not stop.is_set():
            if go.wait(0.05):
                log_some(telemetry, 5)
                bursts.release()

    threads = [threading.Thread(target=log_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(8):
        go.set()
        for _ in range(8):
            bursts.acquire()
        child = os.fork()
        go.clear()
        if child == 0:
            _run_threads(lambda: log_some(telemetry, 25), 4)
            telemetry.shutdown(_SHUTDOWN_SECONDS)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * len(codes)


def grandchildren(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Fork a child that forks a child; the one between them logs nothing before its fork."""
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        log_some(telemetry, 20)
        code = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) if grandchild else 0
        telemetry.shutdown(_SHUTDOWN_SECONDS)
        os._exit(code)
    log_some(telemetry, 20)
    assert os.waitpid(child, 0)[1] == 0


def loops_in_threads(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Run six event loops in six threads, twenty tasks each, with one object; threads log beside them."""

    async def task(shared: Telemetry) -> None:
        for number in range(20):
            print_receipt(await shared.audit.log("work", {"number": number}, "loops", wait_for="durable"))

    async def many(shared: Telemetry) -> None:
        await asyncio.gather(*(task(shared) for _ in range(20)))

    shared = Telemetry(config_of(brokers, folder))
    asyncio.run(shared.start())
    beside = threading.Thread(target=_run_threads, args=(lambda: log_some(telemetry), 2))
    beside.start()
    _run_threads(lambda: asyncio.run(many(shared)), 6)
    beside.join()
    asyncio.run(shared.shutdown(_SHUTDOWN_SECONDS))


def many_runs(telemetry: BlockingTelemetry, brokers: str, folder: str) -> None:
    """Call asyncio.run five times with one object, then three times with one object each."""

    async def log(shared: Telemetry) -> None:
        for number in range(20):
            print_receipt(await shared.audit.log("work", {"number": number}, "runs", wait_for="delivered"))

    async def whole() -> None:
        async with Telemetry(config_of(brokers, folder)) as own:
            await log(own)

    shared = Telemetry(config_of(brokers, folder))
    asyncio.run(shared.start())
    for _ in range(5):
        asyncio.run(log(shared))
    asyncio.run(shared.shutdown(_SHUTDOWN_SECONDS))
    for _ in range(3):
        asyncio.run(whole())


def _run_beside(children: Sequence[BaseProcess], telemetry: BlockingTelemetry) -> None:
    for child in children:
        child.start()
    log_some(telemetry)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * len(children)


def _run_threads(target: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


PROGRAMS = {
    program.__name__: program
    for program in (
        multiprocessing_fork,
        multiprocessing_spawn,
        multiprocessing_forkserver,
        fork_beside_threads,
        grandchildren,
        loops_in_threads,
        many_runs,
    )
}

if __name__ == "__main__":
    allow_a_slow_exit()
    program, brokers, folder = sys.argv[1:]
    telemetry = BlockingTelemetry(config_of(brokers, folder))
    telemetry.start()
    log_some(telemetry, 10)
    PROGRAMS[program](telemetry, brokers, folder)
    telemetry.shutdown(_SHUTDOWN_SECONDS)
