"""The emulated key services, one of each for all tests of this folder."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProvider
from telemetry.encryption.providers.aws_kms import AwsKmsProvider
from telemetry.encryption.providers.gcp_kms import GcpKmsProvider
from telemetry.encryption.providers.local_key import LocalKeyProvider
from tests.services.cloud_kms import key_name, kms_config
from tests.services.key_vault import provider_of, vault_config
from tests.services.moto_kms import MotoKms
from tests.support.fakes.cloud_kms import FakeCloudKms, write_service_account
from tests.support.fakes.key_vault import FakeKeyVault

MakeProvider = Callable[[str], EncryptionProvider]
"""From a kind, such as ``azure_keyvault RSA``, to a provider on a KEK of its own."""


@dataclass(frozen=True)
class Tls:
    """A certificate for ``localhost``, and the authority that issued it."""

    ca_path: Path
    server: ssl.SSLContext
    private_key: bytes
    certificates: bytes


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return Tls(ca_path=path, server=context, private_key=leaf.private_key_pem.bytes(), certificates=chain)


@pytest.fixture(scope="session")
def moto_kms(tls: Tls) -> Iterator[MotoKms]:
    with MotoKms(tls.server, ca_path=str(tls.ca_path)) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def key_vault(tls: Tls) -> Iterator[FakeKeyVault]:
    with FakeKeyVault(tls.server) as vault:
        yield vault


@pytest.fixture(scope="session")
def cloud_kms(tls: Tls) -> Iterator[FakeCloudKms]:
    with FakeCloudKms(private_key=tls.private_key, certificates=tls.certificates) as server:
        yield server


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_service_account(tmp_path_factory.mktemp("gcp") / "service-account.json")


@pytest.fixture
def make_provider(
    moto_kms: MotoKms,
    key_vault: FakeKeyVault,
    cloud_kms: FakeCloudKms,
    tls: Tls,
    service_account: Path,
    tmp_path: Path,
) -> Iterator[MakeProvider]:
    """A function that makes a provider on a KEK of its own."""

    def make(kind: str) -> EncryptionProvider:
        name = f"kek-{secrets.token_hex(4)}"
        if kind.startswith("aws"):
            return AwsKmsProvider(moto_kms.config(moto_kms.create_key(multi_region=kind.endswith("multi-Region"))))
        if kind.startswith("azure"):
            key_vault.add_key(name, kty=kind.split()[1])
            return provider_of(key_vault, vault_config(key_vault, tls.ca_path, name))
        if kind == "gcp_kms":
            cloud_kms.add_version(key_name(name))
            return GcpKmsProvider(kms_config(cloud_kms, name, ca_path=tls.ca_path, service_account=service_account))
        passphrase = SecretStr("correct horse battery staple")
        return LocalKeyProvider(
            EncryptionConfig(provider="local_key", key_path=tmp_path / f"{name}.json", passphrase=passphrase)
        )

    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(make(kind))
