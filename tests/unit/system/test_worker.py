from __future__ import annotations

import threading

from telemetry.system.worker import Worker

PATIENCE = 60.0


def test_woken_worker_looks_again_at_once() -> None:
    looks = threading.Semaphore(0)
    rounds: list[int] = []

    def run() -> None:
        while not worker.pause():
            rounds.append(len(rounds))
            looks.release()

    worker = Worker("telemetry-test", run)
    worker.start()
    for _ in range(3):
        worker.wake()
        assert looks.acquire(timeout=PATIENCE)

    assert worker.stop(PATIENCE)
    assert rounds == [0, 1, 2]


def test_wake_before_the_pause_is_not_lost() -> None:
    looks = threading.Event()

    def run() -> None:
        worker.pause(PATIENCE)
        looks.set()

    worker = Worker("telemetry-test", run)
    worker.wake()
    worker.start()

    assert looks.wait(PATIENCE / 2)
    assert worker.join(PATIENCE)


def test_stop_ends_a_pause_and_a_rest() -> None:
    answers: list[bool] = []

    def run() -> None:
        answers.append(worker.rest(PATIENCE * 2))
        answers.append(worker.pause(PATIENCE * 2))

    worker = Worker("telemetry-test", run)
    worker.start()

    assert worker.stop(PATIENCE)
    assert answers == [True, True]
    assert worker.is_stopping
    assert not worker.is_alive


def test_rest_is_not_ended_by_wake() -> None:
    answers: list[bool] = []
    worker = Worker("telemetry-test", lambda: answers.append(worker.rest(0.01)))
    worker.wake()
    worker.start()

    assert worker.join(PATIENCE)
    assert answers == [False]


def test_stuck_worker_is_reported_and_left() -> None:
    release = threading.Event()

    def run() -> None:
        release.wait(PATIENCE)

    worker = Worker("telemetry-test", run)
    worker.start()

    assert not worker.stop(0.01)
    assert worker.is_alive
    release.set()
    assert worker.join(PATIENCE)


def test_worker_that_was_never_started_has_ended() -> None:
    assert Worker("telemetry-test", lambda: None).stop(0.0)


def test_worker_that_stops_itself_does_not_wait_for_itself() -> None:
    answers: list[bool] = []
    worker = Worker("telemetry-test", lambda: answers.append(worker.stop(PATIENCE)))
    worker.start()

    assert worker.join(PATIENCE)
    assert answers == [False]


def test_thread_is_a_named_daemon() -> None:
    seen: list[threading.Thread] = []
    worker = Worker("telemetry-test", lambda: seen.append(threading.current_thread()))
    worker.start()

    assert worker.join(PATIENCE)
    assert (seen[0].name, seen[0].daemon) == ("telemetry-test", True)
