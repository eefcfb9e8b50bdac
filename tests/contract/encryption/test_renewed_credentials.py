"""Credentials that were renewed outside the process are used at the next call, without a restart."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.providers.aws_kms import AwsKmsProvider
from telemetry.encryption.providers.azure_keyvault import AzureKeyVaultProvider
from telemetry.encryption.providers.gcp_kms import GcpKmsProvider
from telemetry.exceptions import KeyCredentialsError
from tests.contract.encryption.conftest import Tls
from tests.services.cloud_kms import key_name, kms_config
from tests.services.key_vault import vault_config
from tests.services.moto_kms import MotoKms
from tests.support.fakes.cloud_kms import FakeCloudKms, write_service_account
from tests.support.fakes.key_vault import FakeAzureCredential, FakeKeyVault
from tests.support.until import until

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}


@pytest.fixture
def file(moto_kms: MotoKms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The shared credentials file, with the access key ``first``, which KMS knows."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    _write_key(path, "first")
    moto_kms.accept_only("first/")
    yield path
    moto_kms.allow_all()


@pytest.fixture
def aws(moto_kms: MotoKms, file: Path) -> Iterator[AwsKmsProvider]:
    config = moto_kms.config(moto_kms.create_key(), aws_access_key_id=None, aws_secret_access_key=None)
    with AwsKmsProvider(config) as provider:
        yield provider


def test_aws_file_renewed_before_the_refusal(aws: AwsKmsProvider, moto_kms: MotoKms, file: Path) -> None:
    aws.generate_data_key(CONTEXT)
    _write_key(file, "second")
    moto_kms.accept_only("second/")

    aws.generate_data_key(CONTEXT)


def test_aws_file_renewed_after_the_refusal(aws: AwsKmsProvider, moto_kms: MotoKms, file: Path) -> None:
    aws.generate_data_key(CONTEXT)
    moto_kms.accept_only("second/")
    with pytest.raises(KeyCredentialsError, match="UnrecognizedClientException; renew the credentials") as caught:
        aws.generate_data_key(CONTEXT)
    assert caught.value.retriable
    _write_key(file, "second")

    until(lambda: _works(aws), what="a call with the renewed key")


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"])
def test_aws_refusals_of_credentials_are_asked_again(code: str, moto_kms: MotoKms, aws: AwsKmsProvider) -> None:
    moto_kms.refuse("generate_data_key", code=code, times=1)
    try:
        aws.generate_data_key(CONTEXT)
    finally:
        moto_kms.allow_all()


def test_refusals_do_not_renew_in_a_row(
    moto_kms: MotoKms, aws: AwsKmsProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    connect = aws._connect

    def counted() -> object:
        made.append(None)
        return connect()

    monkeypatch.setattr(aws, "_connect", counted)
    moto_kms.refuse("generate_data_key", code="ExpiredTokenException")
    threads = [threading.Thread(target=_works, args=(aws,)) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        moto_kms.allow_all()

    # The first client, and one renewal for all of them; a second one only where five seconds have passed.
    assert 2 <= len(made) <= 4


def test_missing_right_renews_nothing(moto_kms: MotoKms, aws: AwsKmsProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.generate_data_key(CONTEXT)
    client = aws._client
    moto_kms.refuse("generate_data_key", code="AccessDeniedException", times=1)
    try:
        assert not _works(aws)
    finally:
        moto_kms.allow_all()
    assert aws._client is client


def test_azure_token_source_renewed(key_vault: FakeKeyVault, tls: Tls, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    read: list[str] = []

    class Provider(AzureKeyVaultProvider):
        """Reads its secret when the credential is created, as azure-identity does with a certificate."""

        def _new_credential(self) -> FakeAzureCredential:
            read.append(file.read_text())
            return FakeAzureCredential(key_vault.token)

    name = f"renewed-{secrets.token_hex(4)}"
    key_vault.add_key(name)
    file.write_text("first")
    with Provider(vault_config(key_vault, tls.ca_path, name)) as provider:
        provider.generate_data_key(CONTEXT)
        file.write_text("second")
        key_vault.refuse("get", status=401, code="Unauthorized", times=1)

        provider.generate_data_key(CONTEXT)

    key_vault.allow_all()
    assert read == ["first", "second"]


def test_google_file_renewed(cloud_kms: FakeCloudKms, tls: Tls, tmp_path: Path) -> None:
    file = write_service_account(tmp_path / "account.json")
    config = kms_config(cloud_kms, _google_key(cloud_kms), ca_path=tls.ca_path, service_account=file)
    with GcpKmsProvider(config) as provider:
        provider.generate_data_key(CONTEXT)
        first = provider._credentials
        write_service_account(file)
        cloud_kms.refuse("Encrypt", code="UNAUTHENTICATED", times=1)

        provider.generate_data_key(CONTEXT)

        assert provider._credentials is not first
    cloud_kms.allow_all()


def test_google_file_half_written(cloud_kms: FakeCloudKms, tls: Tls, tmp_path: Path) -> None:
    file = write_service_account(tmp_path / "account.json")
    config = kms_config(cloud_kms, _google_key(cloud_kms), ca_path=tls.ca_path, service_account=file)
    with GcpKmsProvider(config) as provider:
        provider.generate_data_key(CONTEXT)
        whole = file.read_text()
        os.truncate(file, 20)
        cloud_kms.refuse("Encrypt", code="UNAUTHENTICATED", times=1)

        with pytest.raises(KeyCredentialsError):
            provider.generate_data_key(CONTEXT)
        file.write_text(whole)

        provider.generate_data_key(CONTEXT)
    cloud_kms.allow_all()


def _write_key(file: Path, name: str) -> None:
    """Replace the file as a renewing agent does: whole."""
    part = file.with_suffix(".part")
    part.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n")
    part.replace(file)


def _works(provider: Any) -> bool:
    make: Callable[..., object] = provider.generate_data_key
    try:
        make(CONTEXT)
    except Exception:  # noqa: BLE001 - any refusal
        return False
    return True


def _google_key(cloud_kms: FakeCloudKms) -> str:
    name = f"renewed-{secrets.token_hex(4)}"
    cloud_kms.add_version(key_name(name))
    return name
