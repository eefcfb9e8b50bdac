"""gevent and eventlet: replaced threads are refused at once, everything else works beside them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import on_topic
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.servers import Server, commands, lay_out
from tests.support.workers.green_worker import EVENTS, GREENLETS

_ROOT = Path(__file__).parents[2]
_PATIENCE = 120
_SEVERAL = "gevent has replaced Python's threading, _thread, queue"
_TOGETHER = EVENTS * GREENLETS


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


def _run(brokers: str, folder: Path, *how: str, worker: str = "green_worker") -> str:
    command = [sys.executable, "-m", f"tests.support.workers.{worker}", brokers, str(folder), *how]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("gevent.all", _SEVERAL),
        ("gevent.thread", "gevent has replaced Python's threading, _thread,"),
        ("gevent.queue", "gevent has replaced Python's queue,"),
        ("eventlet.all", "eventlet has replaced Python's threading,"),
    ],
)
def test_replaced_threads_are_refused_at_start(how: str, reason: str, tmp_path: Path) -> None:
    said = _run(NOWHERE, tmp_path, how)

    assert said.startswith(f"refused: {reason}")
    assert "thread=False" in said
    assert "docs/operations.md" in said


@pytest.mark.parametrize("how", ["gevent.nothing", "gevent.safe", "eventlet.nothing", "eventlet.safe"])
def test_kept_threads_serve_greenlets(how: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    said = _run(kafka.bootstrap_servers, tmp_path, how)

    assert said == f"logged {_TOGETHER}\n"
    assert len(on_topic(quick_config(kafka.bootstrap_servers, tmp_path))) == _TOGETHER


@pytest.mark.parametrize("how", ["gevent.safe", "eventlet.safe"])
def test_kept_threads_store_and_replay(how: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    assert _run(NOWHERE, tmp_path, how) == f"logged {_TOGETHER}\n"

    # The store has objects, so this process replays them with its pool of threads.
    _run(kafka.bootstrap_servers, tmp_path, how)

    assert len(on_topic(quick_config(kafka.bootstrap_servers, tmp_path))) == 2 * _TOGETHER


@pytest.mark.parametrize("how", ["fork:gevent.all", "fork:eventlet.all"])
def test_child_replaced_after_fork_is_refused(how: str, tmp_path: Path) -> None:
    said = _run(NOWHERE, tmp_path, how).splitlines()

    assert said[0].startswith(f"refused: {how[5:].partition('.')[0]} has replaced")
    assert said[1] == "child 3"


@pytest.mark.parametrize("how", ["gevent.all", "eventlet.all"])
def test_threads_replaced_after_start_are_noticed(how: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    said = _run(kafka.bootstrap_servers, tmp_path, "log", how, worker="late_green_worker").splitlines()

    assert said[0].startswith(f"refused: {how.partition('.')[0]} has replaced")
    # gevent leaves locks that exist as they are, so the shutdown ends and what was accepted before is not lost.
    assert said[1].startswith("not ended: eventlet has replaced" if how == "eventlet.all" else "delivered 1")


@pytest.mark.parametrize("how", ["gevent.all", "eventlet.all"])
def test_readers_refuse_replaced_threads(how: str, tmp_path: Path) -> None:
    said = _run(NOWHERE, tmp_path, "read", how, worker="late_green_worker")

    assert said.startswith(f"refused: {how.partition('.')[0]} has replaced")
    assert "thread=False" in said


def test_gunicorn_with_gevent_ends_with_reason(tmp_path: Path) -> None:
    lay_out(tmp_path, NOWHERE)
    server = Server(tmp_path, commands("gunicorn")[0] + " --worker-class gevent")

    with pytest.raises(AssertionError), server:
        pass

    assert "gevent has replaced" in server.output()
