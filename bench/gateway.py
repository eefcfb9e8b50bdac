"""What an event costs a gateway: CPU of a real ``telemetry serve`` for each event, beside ``log()`` in a process of its own.

``make bench-gateway`` prints the table of docs/performance.md. Each measurement is a process of its own; the contenders take turns.
Events are sealed and sent to a Kafka that this process embeds, and counted when the last one is delivered.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil

from bench.setup import PASSPHRASE

PROMISED = 0.5
"""Events a second and core of the gateway, of those of ``log()``, with batches of 100."""
WARM_UP = 2_000
CALLERS = 4
CONTENDERS = ("log", "http, token", "https, certificate", "http, token, OTLP")
SHAPES = {"150 B": (150, False), "1 KB": (1_024, False), "1 KB, key and 5 fields": (1_024, True)}

_CONFIG = """\
service_name = "gateway"
environment = "bench"

[audit_config]
kafka_brokers = "{brokers}"
security_protocol = "PLAINTEXT"
fallback_enabled = false
{further}
[audit_config.encryption_config]
provider = "local_key"
key_path = "{folder}/key.json"
passphrase = "{passphrase}"
"""

_STREAMS = """
[audit_config.shared_streams]
"""


def event(number: int, shape: str) -> dict[str, Any]:
    """Return an event as a caller sends it."""
    size, has_fields = SHAPES[shape]
    payload = {"order": number, "items": [{"sku": "a-1", "n": 2}], "note": "x" * (size - 60)}
    members: dict[str, Any] = {"event_type": "order_read", "user_id": f"user-{number % 100}", "payload": payload}
    if has_fields:
        members |= {
            "idempotency_key": f"event-{number}",
            "outcome": "success",
            "entity": "order",
            "entity_id": str(number),
        }
        members |= {"ip_address": "192.0.2.7", "correlation_id": f"request-{number}"}
    return members


def export_request(shape: str, batch: int) -> bytes:
    """Return the same events as an exporter of OpenTelemetry sends them."""
    from opentelemetry.exporter.otlp.proto.common._internal import _encode_value  # noqa: PLC0415 - of this contender alone
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: PLC0415
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue  # noqa: PLC0415
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs  # noqa: PLC0415

    names = {"user_id": "enduser.id", "ip_address": "client.address", "idempotency_key": "log.record.uid"}
    records = []
    for number in range(batch):
        members = event(number, shape)
        kind, payload = members.pop("event_type"), members.pop("payload")
        attributes = [
            KeyValue(key=names.get(name, f"audit.{name}"), value=_encode_value(value))
            for name, value in members.items()
        ]
        records.append(
            LogRecord(
                event_name=kind,
                body=_encode_value(payload),
                attributes=attributes,
                time_unix_nano=time.time_ns() + number,
            )
        )
    scope = ScopeLogs(scope=InstrumentationScope(name="bench"), log_records=records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[scope])]).SerializeToString()


async def log(config: Path, shape: str, count: int) -> float:
    """Return the microseconds of CPU that ``log()`` costs a process for each event."""
    from telemetry import Telemetry  # noqa: PLC0415 - each contender loads only what it needs
    from telemetry.types import TelemetryConfig  # noqa: PLC0415

    events = [event(number, shape) for number in range(100)]
    async with Telemetry(TelemetryConfig.load(config)) as telemetry:

        async def offer(times: int) -> None:
            call = telemetry.audit.log
            receipt = None
            for _ in range(times // 100):
                for members in events:
                    fields = dict(members)
                    receipt = await call(
                        fields.pop("event_type"), fields.pop("payload"), fields.pop("user_id"), **fields
                    )
                await asyncio.sleep(0)
            if receipt is not None:
                await receipt.delivered()

        await offer(WARM_UP)
        began = time.process_time()
        await offer(count)
        return (time.process_time() - began) / count * 1e6


@contextmanager
def serving(
    folder: Path, config: Path, scheme: str
) -> Iterator[tuple[int, Callable[[], http.client.HTTPConnection], dict[str, str]]]:
    """Run a gateway; yield its process id, what opens a connection, and the headers that say who calls."""
    import trustme  # noqa: PLC0415 - the contenders need none

    from telemetry.gateway.identities.token import digest_of, new_token  # noqa: PLC0415

    token = new_token()
    identities = folder / "identities.toml"
    identities.write_text(
        '[[identity]]\nservice = "shop"\ncertificates = ["shop.example"]\n'
        f'tokens = [{{ sha256 = "{digest_of(token).hex()}", not_after = 2100-01-01T00:00:00Z }}]\n'
    )
    identities.chmod(0o600)
    options = [
        "--listen",
        f"{scheme}://127.0.0.1:0",
        "--admin-listen",
        "http://127.0.0.1:0",
        "--identities",
        str(identities),
    ]
    context = None
    if scheme == "https":
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        for name, identity in (("server", "127.0.0.1"), ("client", "shop.example")):
            issued = authority.issue_cert(identity)
            issued.private_key_pem.write_to_path(folder / f"{name}.key")
            (folder / f"{name}.key").chmod(0o600)
            issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        options += ["--tls-certificate", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]
        options += ["--client-ca", str(folder / "ca.pem")]
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
    command = [sys.executable, "-m", "telemetry", "serve", "-c", str(config), "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101
            address = urlsplit(json.loads(process.stdout.readline())["listening"][0])
            host, port = address.hostname or "", address.port

            def connect() -> http.client.HTTPConnection:
                if context is None:
                    return http.client.HTTPConnection(host, port, timeout=60)
                return http.client.HTTPSConnection(host, port, context=context, timeout=60)

            yield process.pid, connect, {} if context is not None else {"Authorization": f"Bearer {token}"}
        finally:
            process.kill()


def gateway(folder: Path, config: Path, contender: str, shape: str, count: int, batch: int) -> float:
    """Return the microseconds of CPU that an event costs the gateway's process, with several callers at once."""
    # Without spaces, as every language but Python writes JSON.
    body = json.dumps([event(number, shape) for number in range(batch)], separators=(",", ":")).encode()
    path, media_type = "/v1/events", "application/json"
    if contender.endswith("OTLP"):
        body, path, media_type = export_request(shape, batch), "/v1/logs", "application/x-protobuf"
    with serving(folder, config, contender.partition(",")[0]) as (pid, connect, identity):

        def send(times: int) -> None:
            connection = connect()
            for number in range(times):
                # Events of a stream are delivered in their order, so the last ones say that all are.
                more = {"Prefer": "wait=delivered"} if number == times - 1 else {}
                _post(connection, path, body, {"Content-Type": media_type, **identity, **more})

        def send_all(events: int) -> int:
            times = max(1, events // batch // CALLERS)
            with ThreadPoolExecutor(CALLERS) as callers:
                list(callers.map(send, [times] * CALLERS))
            return times * CALLERS * batch

        send_all(WARM_UP)
        process = psutil.Process(pid)
        began = process.cpu_times()
        sent = send_all(count)
        ended = process.cpu_times()
    return (ended.user + ended.system - began.user - began.system) / sent * 1e6


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> None:
    while True:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status in {http.client.ACCEPTED, http.client.OK}:
            return
        if answer.status != http.client.TOO_MANY_REQUESTS:
            raise RuntimeError(content[:500])
        time.sleep(0.05)


def work(contender: str, shape: str, count: int, batch: int, brokers: str) -> float:
    """Measure one contender in this process, or in one that it starts."""
    from telemetry.encryption.providers import local_key  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="telemetry-bench-") as name:
        folder = Path(name)
        local_key.create(folder / "key.json", PASSPHRASE)
        config = folder / "telemetry.toml"
        config.write_text(
            _CONFIG.format(
                brokers=brokers, passphrase=PASSPHRASE, folder=folder, further=_STREAMS if contender != "log" else ""
            )
        )
        config.chmod(0o600)
        if contender == "log":
            return asyncio.run(log(config, shape, count))
        return gateway(folder, config, contender, shape, count, batch)


def main() -> None:
    """Let the contenders take turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 1])
    chosen = parser.parse_args()
    from telemetry.testing import EmbeddedKafka  # noqa: PLC0415 - the workers need none

    print("| event | events a request | contender | CPU us an event | of the events/s a core of log() |")
    print("| --- | --- | --- | --- | --- |")
    with EmbeddedKafka() as kafka:
        for batch in chosen.batches:
            # A request for each event costs so much more that fewer are enough.
            count = chosen.count if batch > 1 else chosen.count // 10
            for shape in SHAPES:
                found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
                for number in range(chosen.rounds):
                    for name in CONTENDERS[:: -1 if number % 2 else 1]:
                        found[name].append(_measured(name, shape, count, batch, kafka.bootstrap_servers))
                _print_rows(shape, batch, found)


def _measured(name: str, shape: str, count: int, batch: int, brokers: str) -> float:
    command = [sys.executable, "-m", "bench.gateway", "--worker", name, shape, str(count), str(batch), brokers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.splitlines()[-1])


def _print_rows(shape: str, batch: int, found: dict[str, list[float]]) -> None:
    for name, values in found.items():
        ratios = [own / other for own, other in zip(found["log"], values, strict=True)]
        ratio = "" if name == "log" else _spread(ratios, "{:.2f}")
        print(
            f"| {shape} | {'' if name == 'log' else batch} | {name} | {_spread(values, '{:.1f}')} | {ratio} |",
            flush=True,
        )


def _spread(values: list[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _, _, contender, shape, count, batch, brokers = sys.argv
        print(work(contender, shape, int(count), int(batch), brokers))
    else:
        main()
