"""Without any extra every module can be imported, and says what to install when a provider is created."""

from __future__ import annotations

import os
import subprocess
import sys

_SCRIPT = """
import sys
for name in ("obstore", "boto3", "botocore", "azure", "google"):
    sys.modules[name] = None
import importlib, pkgutil, telemetry.storage
for module in pkgutil.iter_modules(telemetry.storage.__path__):
    importlib.import_module(f"telemetry.storage.{module.name}")
from telemetry.config import StorageConfig
from telemetry.exceptions import MissingExtraError
from telemetry.storage import StorageProviderFactory
for extra, fields in {
    "aws": {"provider": "aws_s3", "bucket_name": "b"},
    "azure": {"provider": "azure_blob", "account_name": "a", "container_name": "c"},
    "gcp": {"provider": "gcp_storage", "gcp_bucket_name": "b"},
}.items():
    try:
        StorageProviderFactory.create(StorageConfig(**fields))
    except MissingExtraError as exc:
        assert f"telemetry-audit[{extra}]" in str(exc), exc
    else:
        sys.exit(f"{extra} was not missed")
"""


def test_no_extra_installed() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
