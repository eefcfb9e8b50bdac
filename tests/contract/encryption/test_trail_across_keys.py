"""One reader opens a trail whose KEK moved through every key service, and one that lost all but a recipient."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.listed_keys import ListedKeys
from telemetry.encryption.providers import recovery_key
from telemetry.reader import DamagedRecord, OpenedEvent, RawRecord, TrailReader
from tests.contract.encryption.conftest import MakeProvider
from tests.services.sealed_records import Sealer

KINDS = ("aws_kms", "aws_kms multi-Region", "azure_keyvault RSA", "azure_keyvault oct-HSM", "gcp_kms", "local_key")
PASSPHRASE = "correct horse battery staple"


def producer(number: int) -> str:
    return f"018f3b1c-0000-7000-8000-{number:012x}"


def trail_of(provider: EncryptionProvider, number: int) -> list[RawRecord]:
    sealer = Sealer(provider, producer=producer(number))
    return [sealer.seal() for _ in range(3)]


def test_trail_across_every_key_service(make_provider: MakeProvider) -> None:
    keys = [make_provider(kind) for kind in KINDS]
    trail = [record for number, key in enumerate(keys) for record in trail_of(key, number)]
    reader = ListedKeys(keys[-1], keys[:-1])
    entries = list(TrailReader(trail, provider=reader))
    assert [type(entry) for entry in entries] == [OpenedEvent] * 3 * len(KINDS)
    # Each key that is not listed is missed for its own records, and for no others.
    for missing in range(len(KINDS) - 1):
        listed = ListedKeys(keys[-1], [key for number, key in enumerate(keys[:-1]) if number != missing])
        damaged = [entry for entry in TrailReader(trail, provider=listed) if isinstance(entry, DamagedRecord)]
        assert [trail.index(entry.raw) // 3 for entry in damaged] == [missing] * 3
        assert all("previous_keys" in str(entry.error) for entry in damaged)


def test_every_key_service_is_a_recipient(make_provider: MakeProvider, tmp_path: Path) -> None:
    public = recovery_key.create(tmp_path / "recovery", PASSPHRASE).public["public_key"]
    wraps = EncryptionProviderFactory.create(EncryptionConfig(provider="recovery_key", public_key=public))
    opens = EncryptionProviderFactory.create(
        EncryptionConfig(provider="recovery_key", key_path=tmp_path / "recovery", passphrase=PASSPHRASE)  # type: ignore[arg-type]
    )
    with ExitStack() as stack:
        stack.callback(wraps.close)
        stack.callback(opens.close)
        for start in (0, 3):
            primary = make_provider("local_key")
            others = [make_provider(kind) for kind in KINDS[start : start + 3]]
            trail = trail_of(ListedKeys(primary, recipients=[*others, wraps]), start)
            # A reader that has one of them alone: as a recipient, since the records name another KEK.
            for reader in (*(ListedKeys(other, recipients=[wraps]) for other in others), opens):
                assert [type(entry) for entry in TrailReader(trail, provider=reader)] == [OpenedEvent] * 3
