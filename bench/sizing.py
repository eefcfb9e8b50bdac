"""What a gateway needs: CPU, memory, threads, files, disk, topic, data keys and checkpoints: ``make bench-sizing``.

Real ``telemetry serve`` processes take batches of many identities over HTTPS, and send to one real Kafka over mutual TLS; the
same events are logged in process for comparison. Every count is that of the process's own CPU, because broker, clients and
gateways share the processors. docs/sizing.md has the results and what follows from them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from bench.spec import payload
from bench.usage import Peak, Usage, used
from telemetry.encryption.providers import local_key
from telemetry.encryption.signing_key import SigningKey
from telemetry.gateway.identities.token import new_token
from telemetry.sync import Telemetry
from telemetry.types import TelemetryConfig
from tests.services.fixtures import grant_common
from tests.services.kafka import KafkaBroker
from tests.support.gateway.credentials import Authority, identity, token_entry, write_identities
from tests.support.gateway.served import Served
from tests.support.until import until

_PASSPHRASE = "only for this measurement"
_PARTITIONS = 8
_JAVA = ("-XX:TieredStopAtLevel=4",)
_CONNECTIONS = 8
_CHECKPOINT = "telemetry.checkpoint"


class Site:
    """A broker, and what its gateways have in common.

    Args:
        folder: A folder of its own.
        identities: How many services call.
    """

    def __init__(self, folder: Path, identities: int) -> None:
        self.folder = folder
        self.broker = KafkaBroker(folder / "kafka", java_options=_JAVA)
        self.authority = Authority(folder)
        self.server = self.authority.issue("server", "localhost", "127.0.0.1")
        self.tokens = [new_token() for _ in range(identities)]
        entries = (identity(f"service-{n}", tokens=[token_entry(each)]) for n, each in enumerate(self.tokens))
        self.identities = write_identities(folder / "identities.toml", *entries)
        self.topics = 0

    def open(self) -> None:
        """Start the broker and create the keys."""
        self.broker.start()
        grant_common(self.broker)
        local_key.create(self.folder / "key", _PASSPHRASE)
        SigningKey.create(self.folder / "signing", _PASSPHRASE, name="gateway")

    def topic(self) -> str:
        """Create a topic."""
        self.topics += 1
        name = f"sizing-{self.topics}"
        self.broker.create_topic(name, partitions=_PARTITIONS)
        self.broker.add_acl("payments", name)
        return name

    def fields(self, topic: str, folder: Path, **changes: Any) -> dict[str, Any]:
        """Return the audit configuration of one process; it survives a crash, and everything is signed."""
        options = json.loads(json.dumps(self.broker.audit_options(), default=str))
        return {
            **options,
            "kafka_topic": topic,
            "spool_path": str(folder / "spool"),
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(self.folder / "key"),
                "passphrase": _PASSPHRASE,
            },
            "signing_config": {"key_path": str(self.folder / "signing"), "passphrase": _PASSPHRASE},
            "storage_config": {"provider": "local_file", "base_path": str(folder / "fallback")},
            "shared_streams": {},
            **changes,
        }

    @contextmanager
    def gateway(self, topic: str, name: str, **changes: Any) -> Iterator[tuple[Served, Path]]:
        """Run ``telemetry serve``."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        config = folder / "telemetry.toml"
        values = {
            "service_name": "gateway",
            "environment": "bench",
            "audit_config": self.fields(topic, folder, **changes),
        }
        config.write_text("".join(_toml(values)))
        config.chmod(0o600)
        options = (
            *("--listen", "https://127.0.0.1:0", "--identities", str(self.identities)),
            *("--tls-certificate", str(self.server.certificate), "--tls-key", str(self.server.key)),
            *("--client-ca", str(self.authority.file), "--client-certificates", "optional"),
        )
        with Served(config, folder, *options) as served:
            yield served, folder / "spool"
            served.end()

    def counted(self, topic: str) -> tuple[Counter[str], int, int]:
        """Return the types of the records, their distinct data keys, and their bytes."""
        types: Counter[str] = Counter()
        keys: set[str] = set()
        size = 0
        for record in self.broker.read(topic):
            value = json.loads(record.value())
            types[value["type"]] += 1
            size += len(record.value()) + len(record.key() or b"")
            keys |= {value["wrappedkey"]} if "wrappedkey" in value else set()
        return types, len(keys), size


class Callers:
    """Clients of one gateway, each with a connection that stays open; every request is of the next identity.

    Args:
        site: Has their tokens.
        served: The gateway.
        body: What every request sends.
        events: Events in it.
    """

    def __init__(self, site: Site, served: Served, *, body: bytes, events: int) -> None:
        self._context = ssl.create_default_context(cafile=str(site.authority.file))
        self._port = int(served.url.rpartition(":")[2])
        self._tokens = cycle(site.tokens)
        self._body, self._events = body, events
        self._lock = threading.Lock()
        self.answered: Counter[int] = Counter()

    def run(self, requests: int, *, connections: int = _CONNECTIONS, pause: float = 0.0) -> None:
        """Send so many requests and wait for their answers."""
        left = iter(range(requests))
        threads = [threading.Thread(target=self._call, args=(left, pause)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @property
    def accepted(self) -> int:
        """Events of the answers 200 and 202."""
        return self._events * (self.answered[200] + self.answered[202])

    def _call(self, left: Iterator[int], pause: float) -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=120)
        while True:
            with self._lock:
                number, token = next(left, None), next(self._tokens)
            if number is None:
                break
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Prefer": "wait=durable"}
            connection.request("POST", "/v1/events", self._body, headers)
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answered[answer.status] += 1
            time.sleep(pause)
        connection.close()


def _toml(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield a line for each field, with dotted keys; a string, number or list of JSON is one of TOML too."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _toml(value, f"{above}{name}.")
        else:
            yield f"{above}{name} = {json.dumps(value)}\n"


def batch_of(events: int, size: int) -> bytes:
    """Return a body of so many events."""
    body = payload(size)
    return json.dumps(
        [{"event_type": "order_read", "user_id": f"user-{n}", "payload": body} for n in range(events)]
    ).encode()


def in_process(site: Site, *, identities: int, events: int, size: int) -> None:
    """Log in batches of 100 that become durable, in this process."""
    topic = site.topic()
    folder = site.folder / f"process-{identities}"
    folder.mkdir(mode=0o700)
    fields = site.fields(topic, folder)
    config = TelemetryConfig(service_name="gateway", environment="bench", audit_config=fields)  # type: ignore[arg-type]
    body, me = payload(size), psutil.Process()
    with Telemetry(config) as telemetry:
        streams = cycle([telemetry.audit.on_behalf_of(f"service-{n}") for n in range(identities)])

        def work(count: int = events) -> int:
            for _ in range(count // 100):
                log = next(streams).log
                receipts = [log("order_read", body, f"user-{n}") for n in range(100)]
                receipts[-1].wait_durable(120)
            until(lambda: not telemetry.audit.get_audit_stats().queued, what="everything is delivered", timeout=300)
            return count

        work(100 * max(identities, 20))
        print(f"log() in process, {identities} services: {used(me, work)}", flush=True)


def gateways(site: Site, *, count: int, requests: int, per_request: int, size: int) -> None:
    """Run gateways side by side at full speed."""
    topic = site.topic()
    with ExitStack() as stack:
        started = [stack.enter_context(site.gateway(topic, f"{topic}-{n}")) for n in range(count)]
        body = batch_of(per_request, size)
        crowds = [Callers(site, served, body=body, events=per_request) for served, _ in started]
        processes = [psutil.Process(served.process.pid) for served, _ in started]
        for process, (_, spool) in zip(processes, started, strict=True):
            rest = Peak()
            rest.look(process, spool)
            print(f"  at rest: {rest}", flush=True)
        # Each identity once: its stream is open then, and has a data key.
        _side_by_side([lambda crowd=crowd: crowd.run(len(site.tokens)) for crowd in crowds])  # type: ignore[misc]
        peaks = [Peak() for _ in crowds]
        for peak, process, (_, spool) in zip(peaks, processes, started, strict=True):
            stack.enter_context(peak.watched(process, spool))
        usages: dict[int, Usage] = {}

        def measured(place: int) -> None:
            crowd, process = crowds[place], processes[place]
            before = crowd.accepted

            def work() -> int:
                crowd.run(requests)
                return crowd.accepted - before

            usages[place] = used(process, work)

        _side_by_side([lambda place=place: measured(place) for place in range(count)])  # type: ignore[misc]
        for place in range(count):
            print(f"  requests of {per_request}: {usages[place]}; answers {dict(crowds[place].answered)}")
            print(f"  at most: {peaks[place]}", flush=True)
    _show_topic(site, topic)


def slow(site: Site, *, seconds: int, size: int, **changes: Any) -> None:
    """Have every identity log one event every few seconds: what is written beside the events."""
    topic = site.topic()
    with site.gateway(topic, f"{topic}-slow", **changes) as (served, spool):
        crowd, peak = Callers(site, served, body=batch_of(1, size), events=1), Peak()
        began = time.perf_counter()
        with peak.watched(psutil.Process(served.process.pid), spool):
            while time.perf_counter() - began < seconds:
                crowd.run(len(site.tokens), connections=4)
        took = time.perf_counter() - began
        print(
            f"  {crowd.accepted} events of {len(site.tokens)} services in {took:.0f} s, {changes}; {peak}", flush=True
        )
    _show_topic(site, topic)


def _show_topic(site: Site, topic: str) -> None:
    types, keys, size = site.counted(topic)
    events = types["order_read"]
    print(
        f"  topic: {events:,} events, {types[_CHECKPOINT]:,} checkpoints, {keys:,} data keys, "
        f"{size / max(events, 1):,.0f} B an event with its share of the checkpoints\n",
        flush=True,
    )


def _side_by_side(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=200)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--events", type=int, default=60_000, help="events of each measurement and gateway")
    parser.add_argument("--size", type=int, default=1_024, help="bytes of a payload")
    parser.add_argument("--seconds", type=int, default=60, help="duration of the slow measurement")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), given.identities)
        site.open()
        try:
            for identities in (1, given.identities):
                in_process(site, identities=identities, events=given.events, size=given.size)
            for per_request in (100, 1):
                print(f"\n{given.gateways} gateways, {given.identities} identities, payload of {given.size} B:")
                requests = given.events // per_request // (1 if per_request > 1 else 10)
                gateways(site, count=given.gateways, requests=requests, per_request=per_request, size=given.size)
            print("\none gateway, slow:")
            slow(site, seconds=given.seconds, size=given.size)
        finally:
            site.broker.close()


if __name__ == "__main__":
    sys.exit(main())
