"""Logs from a hundred threads: no data key seals more than it may, and the next one is ready in time."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.format import canonical_base64
from telemetry.testing import EmbeddedKafka
from tests.services.stub_keys import StubKeys
from tests.support.events_at_rest import on_topic
from tests.support.quick_telemetry import quick_config, running

CAP, THREADS, EACH = 500, 100, 97


def test_hundred_threads_rotate_keys_exactly(tmp_path: Path) -> None:
    keys, name = StubKeys(), f"stub-{uuid.uuid4().hex}"

    class Provider(StubKeys):
        def __new__(cls, _: EncryptionConfig) -> StubKeys:  # type: ignore[misc]  # always the test's own object
            return keys

    EncryptionProviderFactory.register(name, Provider)
    with EmbeddedKafka() as kafka:
        config = quick_config(
            kafka.bootstrap_servers,
            tmp_path,
            encryption_enabled=True,
            encryption_config=EncryptionConfig(provider=name),
            data_key_max_uses=CAP,
            data_key_wait_ms=60_000,
        )
        with running(config) as telemetry, ThreadPoolExecutor(THREADS) as pool:

            def log(thread: int) -> None:
                for number in range(EACH):
                    telemetry.audit.log("order_read", {"n": number}, f"user-{thread}")

            for done in [pool.submit(log, thread) for thread in range(THREADS)]:
                done.result()
        values = on_topic(config)
    uses = Counter(canonical_base64.decode_url(value["data"].partition(".")[0].encode()) for value in values)
    assert sum(value["type"] == "order_read" for value in values) == THREADS * EACH
    # The library's own events are sealed like any other, so they count too.
    assert sorted(uses.values(), reverse=True)[:-1] == [CAP] * (len(values) // CAP)
    assert len(uses) == len({value["wrappedkey"] for value in values}) == len(values) // CAP + 1
    assert len({(value["data"].split(".")[0], value["data"].split(".")[2]) for value in values}) == len(values)
