"""Cloud KMS, as the fake plays it, keeps the contract of a key service."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.testing import EncryptionProviderContract
from tests.contract.encryption.conftest import Tls
from tests.services.cloud_kms import key_name, kms_config
from tests.support.fakes.cloud_kms import DISABLED, FakeCloudKms


class TestGcpKms(EncryptionProviderContract):
    @pytest.fixture
    def name(self, cloud_kms: FakeCloudKms) -> str:
        name = f"kek-{secrets.token_hex(4)}"
        cloud_kms.add_version(key_name(name))
        return name

    @pytest.fixture
    def provider(
        self, cloud_kms: FakeCloudKms, tls: Tls, service_account: Path, name: str
    ) -> Iterator[EncryptionProvider]:
        config = kms_config(cloud_kms, name, ca_path=tls.ca_path, service_account=service_account)
        with EncryptionProviderFactory.create(config) as provider:
            yield provider

    @pytest.fixture
    def other(self, cloud_kms: FakeCloudKms, tls: Tls, service_account: Path) -> Iterator[EncryptionProvider]:
        name = f"other-{secrets.token_hex(4)}"
        cloud_kms.add_version(key_name(name))
        config = kms_config(cloud_kms, name, ca_path=tls.ca_path, service_account=service_account)
        with EncryptionProviderFactory.create(config) as provider:
            yield provider

    @pytest.fixture
    def disable(self, cloud_kms: FakeCloudKms, name: str) -> Callable[[], None]:
        return lambda: cloud_kms.set_state(key_name(name), DISABLED)

    @pytest.fixture
    def deny(self, cloud_kms: FakeCloudKms) -> Iterator[Callable[[], None]]:
        def take_rights() -> None:
            cloud_kms.refuse("Encrypt")
            cloud_kms.refuse("Decrypt")

        yield take_rights
        cloud_kms.allow_all()

    @pytest.fixture
    def unreachable(
        self, cloud_kms: FakeCloudKms, tls: Tls, service_account: Path, name: str
    ) -> Iterator[EncryptionProvider]:
        config = kms_config(
            cloud_kms,
            name,
            ca_path=tls.ca_path,
            service_account=service_account,
            endpoint_url="https://127.0.0.1:9",
            timeout_ms=2_000,
        )
        with EncryptionProviderFactory.create(config) as provider:
            yield provider
