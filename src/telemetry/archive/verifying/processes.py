"""Runs the shares of a verification in processes of their own; one that is killed ends the whole verification."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, NoReturn

from telemetry.archive.reading.place import open_archive_store
from telemetry.archive.verifying.share import Share, ShareResult
from telemetry.archive.verifying.share_run import verify_share
from telemetry.config import StorageConfig
from telemetry.exceptions import ArchiveError, TelemetryError
from telemetry.trail.progress import StepProgress

_END_SECONDS = 10.0
"""For a process to end after it was told to; then it is killed."""


def run_shares(storage: StorageConfig, shares: Sequence[Share], *, progress: StepProgress) -> list[ShareResult]:
    """Verify shares, each in a process; return what was found, in the order of the shares.

    Args:
        storage: The archive's store.
        shares: What is verified.
        progress: Shows how many rows were read.

    Raises:
        ArchiveError: A process ended before it was done. Nothing is reported then: a smaller report would look complete.
        TelemetryError: What went wrong in a process.
    """
    context = get_context("spawn")
    processes: list[tuple[SpawnProcess, Connection]] = []
    try:
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            # Given through a pipe that nobody else reads: the secrets of the store are among it.
            process = context.Process(target=_run, args=(theirs, storage.handed_over(), share), daemon=True)
            process.start()
            theirs.close()
            processes.append((process, ours))
        return _results(processes, progress)
    finally:
        _end(processes)


def _results(processes: Sequence[tuple[SpawnProcess, Connection]], progress: StepProgress) -> list[ShareResult]:
    results: dict[int, ShareResult] = {}
    waiting = {connection: number for number, (_, connection) in enumerate(processes)}
    while waiting:
        for connection in wait(list(waiting)):
            number = waiting[connection]  # type: ignore[index]
            try:
                message = processes[number][1].recv()
            except (EOFError, OSError, pickle.UnpicklingError) as exc:
                raise _lost(processes[number][0]) from exc
            if isinstance(message, int):
                progress.advance(message)
            elif isinstance(message, ShareResult):
                results[number] = message
                del waiting[connection]  # type: ignore[arg-type]
            else:
                raise message
    return [results[number] for number in range(len(processes))]


def _lost(process: SpawnProcess) -> ArchiveError:
    process.join(_END_SECONDS)
    code = process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    message = (
        f"a process that verified a share of the archive has ended ({how}) before it was done, so nothing is reported; "
        "run it again, with fewer --jobs if the machine is short of memory"
    )
    return ArchiveError(message)


def _end(processes: Sequence[tuple[SpawnProcess, Connection]]) -> None:
    for process, connection in processes:
        connection.close()
        if process.is_alive():
            process.terminate()
    for process, _ in processes:
        process.join(_END_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


class _Counted:
    """Sends the number of rows that were read to the process that waits for them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def advance(self, count: int = 1) -> None:
        """Send a number; if nobody waits any more, the process ends by the error."""
        self._connection.send(count)


def _run(connection: Connection, storage: Mapping[str, Any], share: Share) -> None:
    # Ctrl-C reaches every process of the terminal; the one that waits ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # It is told to end by this signal, and removes its temporary files first.
    signal.signal(signal.SIGTERM, _end_by_signal)
    answer: Any
    try:
        with open_archive_store(StorageConfig(**storage)) as store:
            answer = verify_share(store, share, count=_Counted(connection))
    except TelemetryError as exc:
        answer = _portable(exc)
    except BrokenPipeError:
        return
    with suppress(BrokenPipeError):
        connection.send(answer)


def _end_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _portable(error: TelemetryError) -> TelemetryError:
    """Return an error as it can be sent; its cause stays here."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own bytes
    except Exception:  # noqa: BLE001 - an error with arguments of its own cannot be made again from its text
        return ArchiveError(str(error))
    return error if type(copy) is type(error) and str(copy) == str(error) else ArchiveError(str(error))
