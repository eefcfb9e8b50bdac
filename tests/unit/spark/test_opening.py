"""Batches of Spark's Kafka source become rows, and rows become events that were checked byte for byte, and OCSF."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import FormatError
from telemetry.reader.entry import RawRecord
from telemetry.spark import ARCHIVE_SCHEMA, OPENED_SCHEMA, archive_rows, ocsf_rows, ocsf_schema, open_rows
from tests.services.sealed_records import Sealer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KAFKA = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("timestampType", pa.int32()),
    ]
)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spark")
    file = folder / "telemetry.toml"
    file.write_text(
        f"""
[audit_config]
kafka_brokers = "127.0.0.1:1"
security_protocol = "PLAINTEXT"
fallback_enabled = false
[audit_config.encryption_config]
provider = "local_key"
key_path = "{folder / "key"}"
passphrase = "correct horse"
"""
    )
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def records(configuration: Path) -> list[RawRecord]:
    encryption = EncryptionConfig(
        provider="local_key", key_path=configuration.with_name("key"), passphrase=SecretStr("correct horse")
    )
    with EncryptionProviderFactory.create(encryption) as provider:
        sealer = Sealer(provider)
        return [sealer.seal(f"user-{number % 3}", {"number": number}) for number in range(20)]


def batch_of(records: list[RawRecord]) -> pa.RecordBatch:
    rows = [
        {
            "key": record.key,
            "value": record.value,
            "topic": "audit-events",
            "partition": number % 2,
            "offset": number // 2,
            "timestamp": NOW + timedelta(seconds=number),
            "timestampType": number % 2,
        }
        for number, record in enumerate(records)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=KAFKA)


def test_rows_have_the_columns_of_the_archive(records: list[RawRecord]) -> None:
    (batch,) = archive_rows([batch_of(records), batch_of([])])

    assert batch.schema == ARCHIVE_SCHEMA
    assert batch.column("sequence").to_pylist() == list(range(20))
    assert set(batch.column("key").to_pylist()) == {None}
    assert batch.column("append_time").to_pylist() == [False, True] * 10


def test_batch_of_another_source() -> None:
    with pytest.raises(FormatError, match="timestampType"):
        list(archive_rows([batch_of([]).drop_columns(["timestampType"])]))


def test_rows_are_opened_and_checked(records: list[RawRecord], configuration: Path) -> None:
    forged = records[3]._replace(
        value=(records[3].value or b"").replace(b'"type":"user_login"', b'"type":"user_logout"')
    )
    rows = archive_rows([batch_of([*records[:3], forged, *records[4:]])])

    (opened,) = open_rows(rows, config=configuration)

    assert opened.schema == OPENED_SCHEMA
    good = [row for row in opened.to_pylist() if row["error"] is None]
    (bad,) = [row for row in opened.to_pylist() if row["error"] is not None]
    assert [row["sequence"] for row in good] == [0, 1, 2, *range(4, 20)]
    assert [json.loads(row["event"])["payload"]["number"] for row in good] == [0, 1, 2, *range(4, 20)]
    assert {row["user_id"] for row in good} == {"user-0", "user-1", "user-2"}
    assert bad["place"] == "audit-events[1]@1"
    assert bad["event"] is None


def test_one_class_becomes_ocsf(records: list[RawRecord], configuration: Path) -> None:
    rows = list(archive_rows([batch_of(records)]))

    (batch,) = ocsf_rows(rows, config=configuration, class_uid=3002)

    assert batch.schema == ocsf_schema(3002)
    first = batch.to_pylist()[0]
    assert (first["class_uid"], first["user"]["uid"], len(batch)) == (3002, "user-0", 20)
    assert first["eventDay"] == datetime.fromtimestamp(first["time"] / 1_000, UTC).strftime("%Y%m%d")
    assert list(ocsf_rows(rows, config=configuration, class_uid=6003)) == []
