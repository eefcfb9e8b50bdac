"""A few threads that do a store's slow work while their owner goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class WorkerPool:
    """Daemon threads, so that a store that hangs does not keep a program from its end; made at first use.

    Args:
        count: How many.
        name: What they are called.
    """

    def __init__(self, count: int, *, name: str) -> None:
        self.count = count
        """How many things are done at once."""
        self._name = name
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        """Have something done; the future tells what came of it."""
        if len(self._threads) < self.count:
            thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        future: Future[R] = Future()

        def task() -> None:
            try:
                future.set_result(call(*arguments, **named))
            except BaseException as exc:  # noqa: BLE001 - raised again where the result is wanted
                future.set_exception(exc)

        self._tasks.put(task)
        return future

    def close(self) -> None:
        """End the threads after what they were given."""
        for _ in self._threads:
            self._tasks.put(None)
        self._threads = []

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
