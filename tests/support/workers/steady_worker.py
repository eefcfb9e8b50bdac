"""Logs at a steady rate while Kafka is away, for some seconds; prints what became of the events."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, EncryptionConfig, StorageConfig

_TICK = 0.01
_USERS = 100
_LEAST_SHARE = 0.95


def main(folder: Path, *, brokers: str, seconds: float, rate: float) -> None:
    config = AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        encryption_config=EncryptionConfig(provider="local_key", key_path=folder / "key", passphrase="correct horse"),  # type: ignore[arg-type]
        storage_config=StorageConfig(provider="local_file", base_path=folder / "fallback"),
    )
    body = {"order": "x" * 40, "items": [{"sku": f"sku-{n}", "count": n} for n in range(8)], "total": 12.5}
    logged = 0
    with Telemetry(config) as telemetry:
        began = time.monotonic()
        # A machine that cannot keep the rate takes longer, and logs as many events.
        while (passed := time.monotonic() - began) < seconds or logged < _LEAST_SHARE * seconds * rate:
            for _ in range(min(int(passed * rate) - logged, int(rate))):
                telemetry.audit.log("order_read", body, f"user-{logged % _USERS}", session_id="sess-456")
                logged += 1
            time.sleep(_TICK)
    report = telemetry.shutdown()
    counts = {"logged": logged, "stored": report.stored, "delivered": report.delivered}
    sys.stdout.write(json.dumps({**counts, "seconds": passed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), brokers=sys.argv[2], seconds=float(sys.argv[3]), rate=float(sys.argv[4]))
