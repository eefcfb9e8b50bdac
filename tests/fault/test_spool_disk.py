"""The spool's disk is full, fails or becomes read-only: clear errors, no accepted event lost, nothing stuck."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.audit.receipt import Receipt
from telemetry.exceptions import ConfigurationError, UndeliveredError
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.accounted_load import AccountedLoad, read_trail
from tests.support.disks import Disk, ext4_disk, failing_writes, small_disk
from tests.support.events_at_rest import ids, on_topic
from tests.support.faulty_services import FaultyStore
from tests.support.leftovers import leave_segment, records
from tests.support.quick_telemetry import NOWHERE, as_shop, quick_config, running
from tests.support.until import until

_NOBODY = 65_534
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    faulty = FaultyStore()
    yield faulty
    faulty.clear()


def _log(telemetry: Telemetry, count: int, *, size: int = 0) -> list[Receipt]:
    payload = {"pad": "x" * size}
    return [telemetry.audit.log("step", payload, f"user-{number % 7}") for number in range(count)]


def _patient(config: AuditConfig) -> AuditConfig:
    """Return the configuration of the next process: a broker that only just came back gets time to answer."""
    return config.model_copy(update={"kafka_timeout_ms": 10_000})


def _segments(config: AuditConfig) -> list[Path]:
    assert config.spool_path is not None
    return sorted(config.spool_path.glob("*.spool"))


def _log_of(config: AuditConfig) -> Path:
    (segment,) = _segments(config)
    return segment.with_name(f"{segment.name}-wal")


def test_disk_becomes_full_and_has_room_again(
    kafka: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", size="2m") as disk:
        config = quick_config(
            kafka.bootstrap_servers, tmp_path, spool_path=disk.folder / "spool", kafka_timeout_ms=30_000
        )
        with running(config) as telemetry:
            kafka.set_latency(60.0)
            kept = _log(telemetry, 100, size=1_000)
            for receipt in kept:
                receipt.wait_durable(60)
            kept += _log(telemetry, 3_900, size=1_000)
            until(lambda: "database or disk is full; free space on its disk" in caplog.text)
            assert 100 <= sum(receipt.is_durable for receipt in kept) < 4_000

            disk.remount("size=64m")
            until(lambda: "the spool accepts writes again" in _logging_anew(telemetry, kept, caplog))
            _log(telemetry, 1)[0].wait_durable(60)
            kafka.set_latency(0.0)
            # The connection that hangs is given up here, not after its thirty seconds.
            kafka.stop_brokers()
            kafka.start_brokers()
            for receipt in kept:
                receipt.wait_delivered(120)
        assert {receipt.event_id for receipt in kept} <= read_trail(config).everywhere
        assert _segments(config) == []


def _logging_anew(telemetry: Telemetry, kept: list[Receipt], caplog: pytest.LogCaptureFixture) -> str:
    """Log one more event, because the spool tries its disk only when there is something to write."""
    kept += _log(telemetry, 1)
    return caplog.text


def test_full_disk_without_kafka_and_store(kafka: EmbeddedKafka, store: FaultyStore, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="16m") as disk:
        config = quick_config(
            kafka.bootstrap_servers,
            tmp_path,
            spool_path=disk.folder / "spool",
            storage_config=store.config,
            kafka_timeout_ms=300,
            queue_full_timeout_ms=100,
            queue_max_events=3_000,
        )
        with AccountedLoad(config) as load:
            load.until_more(200)
            store.begin("failing")
            kafka.stop_brokers()
            until(lambda: load.stats.queued > 500)
            _fill(disk.folder / "filler")
            until(lambda: len(load.raised) > 100, what="back-pressure")
            books = load.shutdown(3)
        kafka.start_brokers()
        store.clear()

        # What was on disk stays there, of the rest every single event is named.
        assert load.lost is not None
        books.require_balance()
        assert books.spooled > 0
        assert books.failed == load.lost.count > 0
        assert set(load.raised) == {"BackpressureError", "LifecycleError"}
        read_trail(config).require_all(books)

        disk.remount("size=64m")
        with running(config) as telemetry:
            until(lambda: telemetry.audit.get_audit_stats().recovered >= books.spooled)
        accepted = {receipt.event_id for receipt in books.receipts}
        assert len(accepted - read_trail(config).everywhere) == books.failed
        assert _segments(config) == []


def test_disk_has_room_only_at_the_end(
    kafka: EmbeddedKafka, store: FaultyStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", size="16m") as disk:
        config = quick_config(
            kafka.bootstrap_servers,
            tmp_path,
            spool_path=disk.folder / "spool",
            storage_config=store.config,
            kafka_timeout_ms=300,
        )
        telemetry = Telemetry(config)
        telemetry.start()
        store.begin("failing")
        kafka.stop_brokers()
        receipts = _log(telemetry, 100)
        for receipt in receipts:
            receipt.wait_durable(60)
        _fill(disk.folder / "filler")
        receipts += _log(telemetry, 2_000, size=200)
        until(lambda: "database or disk is full" in caplog.text)
        (disk.folder / "filler").unlink()

        report = telemetry.shutdown(2)

        assert (report.spooled, report.failed) == (2_100, 0)
        kafka.start_brokers()
        store.clear()
        with running(_patient(config)) as again:
            until(lambda: again.audit.get_audit_stats().recovered >= 2_100)
        trail = read_trail(config)
        assert set(trail.topic.values()) == {receipt.event_id for receipt in receipts}
        assert all(found == sorted(found) for found in trail.order.values())


def test_disk_fails_for_a_while_under_load(
    kafka: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    with AccountedLoad(config, waits=True) as load:
        load.until_more(200)
        with failing_writes(_log_of(config)):
            until(lambda: "disk I/O error; check the disk" in caplog.text)
            # Events are delivered all the same, and a call that waits for durability gets it with the delivery.
            load.until_more(500)
        until(lambda: "the spool accepts writes again" in caplog.text)
        load.until_more(200)
        books = load.shutdown(20)

    assert load.lost is None
    books.require_balance()
    assert books.failed == books.spooled == 0
    read_trail(config).require_all(books)
    assert _segments(config) == []


def test_disk_fails_without_kafka_and_store(
    kafka: EmbeddedKafka, store: FaultyStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = quick_config(
        kafka.bootstrap_servers,
        tmp_path,
        spool_path=tmp_path / "spool",
        storage_config=store.config,
        kafka_timeout_ms=300,
    )
    telemetry = Telemetry(config)
    telemetry.start()
    store.begin("failing")
    kafka.stop_brokers()
    safe = _log(telemetry, 50)
    for receipt in safe:
        receipt.wait_durable(60)
    with failing_writes(_log_of(config)):
        unsafe = _log(telemetry, 50)
        until(lambda: "disk I/O error" in caplog.text)
        with pytest.raises(UndeliveredError) as caught:
            telemetry.shutdown(2)
    kafka.start_brokers()
    store.clear()

    assert set(caught.value.event_ids) == {receipt.event_id for receipt in unsafe}
    with running(_patient(config)) as again:
        until(lambda: again.audit.get_audit_stats().recovered >= len(safe))
    assert ids(on_topic(config)) == {receipt.event_id for receipt in safe}


@pytest.mark.parametrize("how", ["fails", "turns read-only"])
def test_file_system_breaks_under_running_process(
    how: str, kafka: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ext4_disk(tmp_path / "disk", tmp_path / "image") as disk:
        config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=disk.folder / "spool")
        with running(config) as telemetry:
            kafka.stop_brokers()
            receipts = _log(telemetry, 100)
            for receipt in receipts:
                receipt.wait_durable(60)
            _break(disk, how)
            receipts += _log(telemetry, 100)
            until(lambda: "events are not durable until they are delivered" in caplog.text)
            until(lambda: telemetry.audit.get_audit_stats().stored == 200)
        assert f"cannot write the spool segment {disk.folder}" in caplog.text
        assert "check the disk, the folder's owner and its mode" in caplog.text

        # After the repair the next process finds what was durable; it was delivered meanwhile, so it comes twice.
        disk.unmount()
        disk.mount()
        kafka.start_brokers()
        with running(config) as telemetry:
            until(lambda: telemetry.audit.get_audit_stats().recovered >= 100)
            until(lambda: telemetry.audit.get_audit_stats().replayed >= 200)
        assert ids(on_topic(config)) == {receipt.event_id for receipt in receipts}
        assert _segments(config) == []


def _break(disk: Disk, how: str) -> None:
    if how == "fails":
        disk.fail()
    else:
        # What ext4 does by itself after an error (errors=remount-ro), though files are open for writing.
        disk.remount("abort")


@pytest.mark.parametrize("state", ["full", "read-only", "failing"])
def test_start_on_a_broken_disk(state: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    left = records(30)
    with ext4_disk(tmp_path / "disk", tmp_path / "image") as disk:
        config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=disk.folder / "spool")
        leave_segment(disk.folder / "spool", left)
        filler = disk.folder / "filler"
        if state == "full":
            _fill(filler)
        elif state == "read-only":
            disk.remount("ro")
        else:
            disk.fail()

        with pytest.raises(ConfigurationError) as caught:
            Telemetry(as_shop(config)).start()

        (problem,) = caught.value.problems
        assert problem.field == "spool_path"
        assert str(disk.folder) in problem.reason
        assert {"full": "full", "read-only": "Read-only file system", "failing": "Input/output error"}[
            state
        ] in problem.reason

        # Nothing of the dead process is lost by it.
        if state == "full":
            filler.unlink()
        elif state == "read-only":
            disk.remount("rw")
        else:
            disk.unmount()
            disk.mount()
        with running(as_shop(config)) as telemetry:
            until(lambda: telemetry.audit.get_audit_stats().recovered >= len(left))
        assert ids(on_topic(config)) == {record.event_id for record in left}
        assert _segments(config) == []


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        for size in (1 << 16, 1 << 10, 1):
            while True:
                try:
                    if filler.write(b"x" * size) < size:
                        break
                except OSError:
                    break


_UNPRIVILEGED = """
import os, sys
from pathlib import Path
# Before the rights are given away: the interpreter of a test may be in a folder that only root can read.
from telemetry.audit.assembly import assemble
from telemetry.audit.runtime import Runtime
from telemetry.exceptions import ConfigurationError
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig
config = AuditConfig(kafka_brokers=sys.argv[2], security_protocol="PLAINTEXT", encryption_enabled=False,
    fallback_enabled=False, spool_path=Path(sys.argv[3]))
telemetry = Telemetry(config)
# Modules load when they are needed, and the other user may not be allowed to read those of this interpreter.
try:
    Telemetry(config.model_copy(update={"spool_path": Path("/proc/absent")})).start()
except ConfigurationError:
    pass
if int(sys.argv[1]):
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
try:
    telemetry.start()
except ConfigurationError as exc:
    print(exc)
else:
    sys.exit("it started")
"""


def test_start_with_folder_of_another_user(tmp_path: Path) -> None:
    # Permissions do not bind root, so root gives its rights away first.
    for part in (tmp_path, *tmp_path.parents[:2]):
        part.chmod(0o755)
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o555)
    uid = _NOBODY if os.geteuid() == 0 else 0
    done = subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED, str(uid), NOWHERE, folder],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    folder.chmod(0o700)

    assert done.returncode == 0, done.stderr
    assert f"spool_path: the spool folder {folder} cannot be written" in done.stdout
    assert "check its owner and mode" in done.stdout


def test_full_disk_does_not_delay_the_shutdown(
    kafka: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", size="1m") as disk:
        config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=disk.folder / "spool")
        with running(config) as telemetry, caplog.at_level(logging.ERROR, logger="telemetry"):
            receipts = _log(telemetry, 50)
            for receipt in receipts:
                receipt.wait_delivered(120)
            _fill(disk.folder / "filler")
            receipts += _log(telemetry, 3_000, size=500)
        assert all(receipt.delivery is not None for receipt in receipts)
        assert ids(on_topic(config)) == {receipt.event_id for receipt in receipts}
        assert _segments(config) == []
