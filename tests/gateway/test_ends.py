"""How a gateway ends: by a signal under load, by two, and killed again and again."""

from __future__ import annotations

import functools
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.attacks.site import KeyFiles
from tests.services.kafka import KafkaBroker
from tests.support.gateway.gateway_site import EVENT, GatewaySite
from tests.support.gateway.served import Served
from tests.support.until import until

_KILLS = int(os.environ.get("GATEWAY_KILLS", "10"))


class Callers:
    """Callers that log batches and note which events were answered, with their level.

    Args:
        site: The gateway's site.
        served: The gateway.
        count: How many callers.
        prefer: What they wait for.
    """

    def __init__(self, site: GatewaySite, served: Served, *, count: int = 4, prefer: str = "durable") -> None:
        self._site = site
        self._served = served
        self._prefer = prefer
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(count)]
        self.levels: dict[str, str] = {}
        self.statuses: set[int] = set()
        self.cut = 0
        for thread in self._threads:
            thread.start()

    def ids(self, *levels: str) -> set[str]:
        """Return the events that reached one of these levels."""
        return {event for event, level in list(self.levels.items()) if level in levels}

    def have(self, count: int) -> bool:
        """Return whether more than so many events were answered."""
        return len(self.levels) > count

    def end(self) -> None:
        """Let them finish."""
        self._enough.set()
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive()

    def _send(self) -> None:
        with self._site.client(self._served) as client:
            while not self._enough.is_set():
                try:
                    self._note(client.post("/v1/events", json=[EVENT] * 20, headers={"Prefer": f"wait={self._prefer}"}))
                except httpx.HTTPError:
                    self.cut += 1
                    if self._served.process.poll() is not None:
                        return

    def _note(self, answer: httpx.Response) -> None:
        self.statuses.add(answer.status_code)
        for event in answer.json().get("events", ()):
            if "level" in event:
                self.levels[event["id"]] = event["level"]


def logged(site: GatewaySite) -> list[str]:
    """Return the ids of the callers' events in the trail."""
    return [event["id"] for event in site.tail() if event["event_type"] == EVENT["event_type"]]


def test_a_signal_under_load_loses_nothing_that_was_answered(gateway_site: GatewaySite) -> None:
    with gateway_site.serve() as served:
        callers = Callers(gateway_site, served, prefer="accepted")
        until(lambda: len(callers.levels) > 500, state=served.errors)
        code = served.end()
        callers.end()

    assert code == 0, served.errors()
    assert callers.statuses <= {202, 207, 429, 503}
    found = logged(gateway_site)
    assert set(callers.levels) <= set(found)
    assert len(found) == len(set(found))
    assert "Traceback" not in served.errors()


def test_a_second_signal_does_not_wait_for_requests(brokers: str, keys: KeyFiles, tmp_path: Path) -> None:
    patient = "shutdown_seconds = 600\n[gateway_config.limits]\nrequest_seconds = 600"
    site = GatewaySite(brokers, tmp_path, keys, gateway=patient)
    with site.serve() as served, site.client(served) as client, httpx.Client(base_url=served.admin) as admin:

        def slow() -> Iterator[bytes]:
            yield b"["
            until(lambda: served.process.poll() is not None, what="the gateway ends", timeout=100)

        def send() -> None:
            with pytest.raises(httpx.HTTPError):
                client.post("/v1/events", content=slow(), headers={"Content-Type": "application/json"})

        sender = threading.Thread(target=send)
        sender.start()
        until(lambda: "audit_gateway_active_requests 1.0" in admin.get("/metrics").text)
        served.signal(signal.SIGTERM)
        until(lambda: "no more connections are accepted" in served.errors(), state=served.errors)
        assert served.end() == 0
        sender.join(100)

    assert "1 requests were cut off" in served.errors()


def test_overload_is_refused_and_nothing_answered_is_lost(brokers: str, keys: KeyFiles, tmp_path: Path) -> None:
    # Forty callers where four requests are worked on at once: ten times what it takes.
    site = GatewaySite(brokers, tmp_path, keys, gateway="[gateway_config.limits]\nmax_requests = 4")
    with site.serve() as served:
        process = psutil.Process(served.process.pid)
        callers = Callers(site, served, count=40)
        sizes = []
        for count in (1_000, 2_000, 4_000, 8_000):
            until(functools.partial(callers.have, count), what=f"{count} events", timeout=200, state=served.errors)
            sizes.append(process.memory_info().rss)
        callers.end()
        assert served.end() == 0, served.errors()

    assert 429 in callers.statuses
    assert callers.statuses <= {202, 207, 429}
    assert sizes[-1] - sizes[0] < 60_000_000, sizes
    found = logged(site)
    assert set(callers.levels) <= set(found)
    assert len(found) == len(set(found))
    assert "Traceback" not in served.errors()


# A kill in the middle of a handshake has the client's library leave its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_killed_gateways_lose_nothing_that_was_durable(
    keys: KeyFiles, tmp_path: Path, kafka: KafkaBroker, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site = GatewaySite(kafka.bootstrap(), tmp_path, keys, topic=topic)
    dice = random.Random(7)  # noqa: S311 - moments of a test
    durable: set[str] = set()
    for _ in range(_KILLS):
        with site.serve() as served:
            callers = Callers(site, served)
            until(functools.partial(callers.have, 0), what="an answer", state=served.errors)
            threading.Event().wait(dice.uniform(0.0, 0.5))
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait(100)
            callers.end()
        durable |= callers.ids("durable", "delivered", "stored")
    # The next start sends what the killed ones have left in the spool.
    with site.serve() as served:
        until(
            lambda: durable <= set(logged(site)),
            what="every durable event is in the trail",
            timeout=200,
            state=served.errors,
        )
        assert served.end() == 0, served.errors()
    assert len(durable) >= 20 * _KILLS
    found = logged(site)
    assert durable <= set(found)
    # What the killed ones had not signed is signed by those that adopted their spool.
    code, report = site.verify()
    assert code == 0, report
    assert {producer["verdict"] for producer in report["producers"]} == {"complete"}
    with capsys.disabled():
        sys.stdout.write(f"{_KILLS} kills: {len(durable)} events durable, all found\n")
