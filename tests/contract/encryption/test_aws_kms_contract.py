"""AWS KMS, as moto emulates it, keeps the contract of a key service."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.testing import EncryptionProviderContract
from tests.services.moto_kms import MotoKms


class TestAwsKms(EncryptionProviderContract):
    @pytest.fixture
    def arn(self, moto_kms: MotoKms) -> str:
        return moto_kms.create_key()

    @pytest.fixture
    def provider(self, moto_kms: MotoKms, arn: str) -> Iterator[EncryptionProvider]:
        with EncryptionProviderFactory.create(moto_kms.config(arn)) as provider:
            yield provider

    @pytest.fixture
    def other(self, moto_kms: MotoKms) -> Iterator[EncryptionProvider]:
        with EncryptionProviderFactory.create(moto_kms.config(moto_kms.create_key())) as provider:
            yield provider

    @pytest.fixture
    def disable(self, moto_kms: MotoKms, arn: str) -> Callable[[], None]:
        return lambda: moto_kms.client.disable_key(KeyId=arn.rpartition("/")[2])

    @pytest.fixture
    def deny(self, moto_kms: MotoKms) -> Iterator[Callable[[], None]]:
        def take_rights() -> None:
            moto_kms.refuse("generate_data_key")
            moto_kms.refuse("decrypt")

        yield take_rights
        moto_kms.allow_all()

    @pytest.fixture
    def unreachable(self, moto_kms: MotoKms, arn: str) -> Iterator[EncryptionProvider]:
        config = moto_kms.config(arn, endpoint_url="https://127.0.0.1:9", timeout_ms=2_000)
        with EncryptionProviderFactory.create(config) as provider:
            yield provider
