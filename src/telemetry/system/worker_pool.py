"""Runs a store's slow calls in a few threads while their owner goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import ParamSpec, Self, TypeVar

from telemetry.system.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")


class WorkerPool:
    """Daemon threads, started when they are needed first.

    Unlike those of ``concurrent.futures``, they never keep a program from ending while a store hangs. One thread owns
    the pool: it submits and closes.

    Args:
        count: Number of threads.
        name: Name of the threads; a number follows it.
    """

    def __init__(self, count: int, *, name: str) -> None:
        self.count = count
        """How many calls run at once."""
        self._name = name
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        """Run a call in the next free thread, in the order of submission; the future has its result or its error."""
        if len(self._workers) < self.count:
            worker = Worker(f"{self._name}-{len(self._workers)}", self._run)
            self._workers.append(worker)
            worker.start()
        future: Future[R] = Future()

        def task() -> None:
            try:
                future.set_result(call(*arguments, **named))
            except BaseException as exc:  # noqa: BLE001 - raised again by the future's result()
                future.set_exception(exc)

        self._tasks.put(task)
        return future

    def close(self) -> None:
        """Let the threads end after what was submitted; does not wait for them, and may be called twice."""
        # One end mark for each thread; each reads exactly one.
        for _ in self._workers:
            self._tasks.put(None)
        self._workers = []

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
