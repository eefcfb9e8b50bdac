"""Runs one loop in a named daemon thread, with one way to wake it and to end it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """A daemon thread that one object owns.

    The loop asks :attr:`is_stopping` or pauses in :meth:`pause`, which returns at once when the worker is woken or
    stopped. A daemon thread never keeps a program from ending: its owner saves its work in ``stop``.

    Args:
        name: Name of the thread, as operators see it in a stack dump.
        run: The loop; it returns when it is done or when the worker is stopping.
        woken: Set by others to wake the loop, as :meth:`wake` does; default: nobody else wakes it.
    """

    def __init__(self, name: str, run: Callable[[], None], *, woken: threading.Event | None = None) -> None:
        self._stopping = threading.Event()
        self._woken = woken or threading.Event()
        self._thread = threading.Thread(target=run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; a worker is started once."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread was started and has not ended."""
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether :meth:`stop` or :meth:`ask_to_stop` was called."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """End the present pause, or the next one where there is none."""
        self._woken.set()

    def pause(self, seconds: float | None = None) -> bool:
        """Wait in the loop until the worker is woken or stopped.

        Args:
            seconds: At most this long; None for as long as it takes.

        Returns:
            Whether the worker is stopping.
        """
        if not self.is_stopping:
            self._woken.wait(seconds)
        # Cleared before the loop looks at its work: what comes after that wakes it again.
        self._woken.clear()
        return self.is_stopping

    def rest(self, seconds: float) -> bool:
        """Wait in the loop for ``seconds``, also when it is woken; return whether the worker is stopping."""
        return self._stopping.wait(seconds)

    def ask_to_stop(self) -> None:
        """Have the loop end without waiting for it."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread for ``timeout`` seconds; return whether it has ended, or was never started."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self, timeout: float) -> bool:
        """Have the loop end and wait for it; return as :meth:`join` does."""
        self.ask_to_stop()
        return self.join(timeout)
