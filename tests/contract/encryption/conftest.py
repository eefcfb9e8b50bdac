"""The emulated key services, one of each for all tests of this folder."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from telemetry.testing.fake_cloud_kms import FakeCloudKms, write_service_account
from telemetry.testing.fake_key_vault import FakeKeyVault
from tests.services.moto_kms import MotoKms


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
