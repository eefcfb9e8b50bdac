"""Runs Amazon S3 as moto emulates it, on 127.0.0.1, in a process of its own."""

from __future__ import annotations

import http.client
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from telemetry.config import StorageConfig
from tests.services.ports import free_ports
from tests.services.process import ServiceProcess

_START_SECONDS = 180.0


class MotoBuckets:
    """Reaches an emulator and creates buckets in it.

    Args:
        port: Port of the emulator.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def client(self) -> Any:
        """A boto3 client of the emulator."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test-access-key",
            aws_secret_access_key="test-secret-key",
        )

    def config(self, bucket: str | None = None, **fields: Any) -> StorageConfig:
        """Return the configuration of an ``aws_s3`` store, in a new bucket unless one is named."""
        if bucket is None:
            bucket = f"audit-{uuid.uuid4().hex}"
            self.client.create_bucket(Bucket=bucket)
        values: dict[str, Any] = {
            "provider": "aws_s3",
            "bucket_name": bucket,
            "aws_region": "us-east-1",
            "aws_access_key_id": "test-access-key",
            "aws_secret_access_key": "test-secret-key",
            "endpoint_url": self.url,
            "allow_http": True,
        }
        return StorageConfig(**{**values, **fields})


class MotoS3(MotoBuckets):
    """One emulator with its own port and process, empty at first.

    Args:
        folder: A folder of its own, for the log.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(free_ports(1)[0])
        program = Path(sys.executable).with_name("moto_server")
        command = [sys.executable, str(program), "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = ServiceProcess(command, log=folder / "moto.log", folder=folder)

    def __enter__(self) -> Self:
        self.process.start()
        self.process.wait_until(self._answers, timeout=_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0)
        try:
            connection.request("GET", "/moto-api/")
            connection.getresponse().read()
        except OSError:
            return False
        finally:
            connection.close()
        return True
