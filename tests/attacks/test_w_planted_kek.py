from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme

from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import KeyMismatchError
from telemetry.reader import DamagedRecord, OpenedEvent, RecordOpener
from tests.attacks.forge import SealingKey, Writer
from tests.services.moto_kms import MotoKms


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoKms]:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    with MotoKms(server, ca_path=str(path)) as emulator:
        yield emulator


@pytest.mark.parametrize("form", ["name", "arn"])
def test_record_under_a_developers_own_key(kms: MotoKms, form: str) -> None:
    kek, planted = kms.create_key(), kms.create_key()
    name = f"alias/trail-{form}"
    kms.client.create_alias(AliasName=name, TargetKeyId=kek.rpartition("/")[2])
    alias = name if form == "name" else kek.rpartition(":")[0] + f":{name}"
    with (
        EncryptionProviderFactory.create(kms.config(kek)) as service,
        EncryptionProviderFactory.create(kms.config(planted)) as developer,
        EncryptionProviderFactory.create(kms.config(alias)) as auditor,
    ):
        honest = Writer(1, key=SealingKey(service, "/production/payments"))
        forged = Writer(2, key=SealingKey(developer, "/production/payments"))
        opener = RecordOpener(auditor)

        # The first record that an auditor meets may be the forged one, and a later one.
        for _ in range(2):
            refused = opener.open(forged.event("wire_transfer"))
            assert isinstance(refused, DamagedRecord), refused
            assert isinstance(refused.error, KeyMismatchError)
            assert planted in str(refused.error)
            assert isinstance(opener.open(honest.event("wire_transfer")), OpenedEvent)
