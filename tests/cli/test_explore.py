"""``telemetry explore`` as a process, over an embedded Kafka."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.explore_process import ExploreProcess
from tests.support.readable_trail import EVENTS, ReadableTrail
from tests.support.until import until


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path_factory.mktemp("trail"))


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[ReadableTrail]:
    """A trail of its own, in which reads are recorded."""
    with EmbeddedKafka() as kafka:
        own = ReadableTrail(kafka, tmp_path)
        own.configure(read_audit="required")
        yield own


def test_person_looks_and_ctrl_c_ends_it(trail: ReadableTrail, tmp_path: Path) -> None:
    with ExploreProcess(tmp_path, "-c", str(trail.file)) as explorer:
        explorer.enter()
        closed = explorer.browser.get("/search?user=alice")
        assert explorer.post("/reason", reason="ticket 7", next="/").status_code == 303
        explorer.wait_until_read(len(EVENTS))
        text = explorer.shown("/search?user=alice")
        code = explorer.end()

    assert closed.status_code == 403
    assert "3 events" in text
    assert code == 0
    assert explorer.link not in explorer.errors()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_well(trail: ReadableTrail, tmp_path: Path, number: signal.Signals) -> None:
    with ExploreProcess(tmp_path, "-c", str(trail.file)) as explorer:
        assert explorer.end(number) == 0


def test_looks_are_events_of_the_trail(recorded: ReadableTrail, tmp_path: Path) -> None:
    with ExploreProcess(tmp_path, "-c", str(recorded.file), "--reason", "audit 2026") as explorer:
        explorer.enter(reason="ticket 7")
        # The overview is no search, so that waiting adds nothing to what is recorded.
        until(lambda: "still being read" not in explorer.shown("/"), what="it was read", state=explorer.errors)
        explorer.browser.get("/search?text=canary")
        event_id = recorded.tail("--user", "alice", "--as", "checker")[0]["id"]
        explorer.browser.get(f"/events/{event_id}")
        explorer.browser.get("/history/user/alice")

    seen = recorded.tail("--type", "telemetry.", "--as", "checker")
    looks = [event for event in seen if event["user_id"] != "checker"]
    assert {event["payload"]["reason"] for event in looks if event["event_type"] == "telemetry.read"} == {
        "audit 2026",  # the explorer opens the trail
        "ticket 7",
    }
    searched = [event for event in looks if event["event_type"] == "telemetry.searched"]
    assert [event["payload"]["filters"] for event in searched] == [
        {"text": "canary"},
        {"users": ["alice"], "order": "oldest"},
    ]
    assert [event["entity_id"] for event in looks if event["event_type"] == "telemetry.viewed"] == [event_id]


def test_content_is_not_shown_while_nothing_is_recorded(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        trail = ReadableTrail(kafka, tmp_path)
        trail.configure(read_audit="required")
        # No store takes the record instead.
        text = trail.file.read_text().partition("[audit_config.storage_config]")[0]
        trail.file.write_text(f"{text}\n[explorer_config]\nrecord_seconds = 1\n")
        with ExploreProcess(tmp_path, "-c", str(trail.file), "--no-follow") as explorer:
            explorer.enter(reason="ticket 7")
            explorer.wait_until_read(len(EVENTS))
            kafka.stop_brokers()
            answers = [explorer.browser.get(path) for path in ("/search?user=alice", "/history/user/alice")]
            overview = explorer.browser.get("/")

    assert [answer.status_code for answer in answers] == [503, 503]
    assert not any("passkey" in answer.text or 'class="row"' in answer.text for answer in answers)
    assert overview.status_code == 200


def test_sealed_copy_needs_neither_kafka_nor_key(trail: ReadableTrail, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    assert trail.run("export", "--sealed", "--out", str(copy)).code == 0
    config = tmp_path / "bare.toml"
    config.write_text('environment = "production"\n')

    with ExploreProcess(tmp_path, "-c", str(config), "--file", str(copy), "--right", "sealed") as explorer:
        explorer.enter()
        explorer.wait_until_read(len(EVENTS))
        page = explorer.browser.get("/search?type=user_login")
        refused = [explorer.browser.get(path).status_code for path in ("/reason", "/history/user/alice")]

    assert "2 events" in page.text
    assert "alice" not in page.text
    assert refused == [403, 403]


def test_time_of_logging_decides_what_is_read(trail: ReadableTrail, tmp_path: Path) -> None:
    times = sorted(str(event["time"]) for event in trail.tail())
    copy = tmp_path / "copy.jsonl"
    assert trail.run("export", "--sealed", "--out", str(copy)).code == 0
    within = ("--file", str(copy), "--since", times[2], "--until", times[4])

    with ExploreProcess(tmp_path, "-c", str(trail.file), *within) as explorer:
        explorer.enter()
        explorer.wait_until_read(3)
        overview = explorer.shown("/")

    assert "in the streams of producers" not in overview


def test_end_of_time_holds_for_late_arrivals(trail: ReadableTrail, tmp_path: Path) -> None:
    until_ = sorted(str(event["time"]) for event in trail.tail())[4]

    # The topic is read a week further: so long after its call an event may have arrived.
    with ExploreProcess(tmp_path, "-c", str(trail.file), "--until", until_) as explorer:
        explorer.enter()
        explorer.wait_until_read(5)


def test_new_events_appear(recorded: ReadableTrail, tmp_path: Path) -> None:
    recorded.configure()
    with ExploreProcess(tmp_path, "-c", str(recorded.file)) as explorer:
        explorer.enter(reason="ticket 7")
        explorer.wait_until_read(len(EVENTS))
        with Telemetry(recorded.config()) as telemetry:
            telemetry.audit.log("order_created", {}, "dave")

        until(lambda: "1 event" in explorer.shown("/search?user=dave"), what="it appears", state=explorer.errors)


def test_kafka_that_is_away_is_said_and_not_fatal(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        trail = ReadableTrail(kafka, tmp_path)
    with ExploreProcess(tmp_path, "-c", str(trail.file)) as explorer:
        explorer.enter()
        until(lambda: "cannot be read at present" in explorer.shown("/"), what="the page says so", timeout=120)
        assert explorer.end() == 0


def test_ten_megabytes_of_address_end_one_connection(trail: ReadableTrail, tmp_path: Path) -> None:
    with ExploreProcess(tmp_path, "-c", str(trail.file)) as explorer:
        explorer.enter()
        place = urlsplit(explorer.origin)
        with socket.create_connection((str(place.hostname), int(place.port or 0))) as connection:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /search?text=" + b"x" * 10_000_000)
            with contextlib.suppress(ConnectionError):
                assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        assert explorer.browser.get("/").status_code == 200


def test_persons_of_a_proxy_have_no_link(trail: ReadableTrail, tmp_path: Path) -> None:
    served = tmp_path / "served.toml"
    grants = (
        '[explorer_config.proxy]\npeers = ["127.0.0.1"]\n[explorer_config.proxy.grants]\nreader_groups = ["audit"]\n'
    )
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{found.getsockname()[1]}"
    urls = f'[explorer_config]\nlisten = "{address}"\npublic_urls = ["{address}"]\n'
    served.write_text(f"{trail.file.read_text()}\n{urls}{grants}")
    reader, other = ({"x-forwarded-user": "eve", "x-forwarded-groups": group} for group in ("audit", "sales"))

    with ExploreProcess(tmp_path, "-c", str(served)) as explorer:
        assert explorer.link == ""
        answers = [explorer.browser.get("/", headers=headers) for headers in (reader, other, {})]

    assert [answer.status_code for answer in answers] == [200, 403, 401]
    assert ">eve</bdi>, reader" in answers[0].text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--right", "owner"], "--right"),
        (["--listen", "http://0.0.0.0:0"], "0.0.0.0"),  # noqa: S104
        (["--listen", "ftp://127.0.0.1:1"], "listen"),
        (["--listen", "https://127.0.0.1:0"], "certificate"),
        (["--since", "yesterday"], "--since"),
        (["--file", "missing", "--from", "all"], "--from"),
        (["--file", "missing"], "missing is not there"),
        (["--trust", "missing.toml"], "missing.toml"),
        (["--public-key", "rubbish"], "--public-key"),
    ],
)
def test_wrong_option_ends_it_before_it_listens(trail: ReadableTrail, options: list[str], named: str) -> None:
    ended = trail.run("explore", *options)

    assert ended.code == 2
    assert named in ended.err


def test_address_in_use_is_named(trail: ReadableTrail) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ended = trail.run("explore", "--listen", f"http://127.0.0.1:{other.getsockname()[1]}")

    assert ended.code == 2
    assert "cannot be listened on" in ended.err


def test_missing_extra_is_named(trail: ReadableTrail, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ImportError\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])

    done = subprocess.run(
        [sys.executable, "-m", "telemetry", "explore", "-c", str(trail.file)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2
    assert "telemetry-audit[explore]" in done.stderr
