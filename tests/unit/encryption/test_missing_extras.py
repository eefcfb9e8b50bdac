"""Without an extra every module can be imported, and the provider names the extra that it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.providers import remote
from telemetry.exceptions import MissingExtraError

_WITHOUT_SDKS = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"boto3", "botocore", "azure", "google", "grpc", "google_crc32c", "requests"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import telemetry.encryption as package
names = [found.name for found in pkgutil.walk_packages(package.__path__, "telemetry.encryption.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""

CONFIGS = {
    "aws": EncryptionConfig(provider="aws_kms", kms_key_id="alias/audit"),
    "azure": EncryptionConfig(provider="azure_keyvault", vault_url="https://a.vault.azure.net", key_name="kek"),
    "gcp": EncryptionConfig(provider="gcp_kms", project_id="p", location="global", key_ring="r", gcp_key_name="k"),
}


def test_modules_are_imported_without_any_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT_SDKS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 10


@pytest.mark.parametrize("extra", CONFIGS)
def test_provider_names_its_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> None:
        raise ModuleNotFoundError

    monkeypatch.setattr(remote, "find_spec", nothing)
    with pytest.raises(MissingExtraError, match=rf"telemetry-audit\[{extra}\]"):
        EncryptionProviderFactory.create(CONFIGS[extra])


@pytest.mark.parametrize("extra", CONFIGS)
def test_provider_can_be_made_without_contacting_anyone(extra: str) -> None:
    provider = EncryptionProviderFactory.create(CONFIGS[extra])
    provider.close()
    provider.close()
