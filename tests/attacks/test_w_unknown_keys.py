from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.encryption import Context, EncryptionProvider
from telemetry.reader import DamagedRecord, OpenedEvent, RawRecord, TrailReader
from tests.attacks.forge import SealingKey, Writer
from tests.attacks.site import KeyFiles
from tests.support.written_trail import DataKey

FORGED = 5_000
BOUND = 1_000
"""Five calls a second; no machine reads so slowly that it needs more than this for the forged records."""


class CountingKeys(EncryptionProvider):
    """Counts what a key service is asked."""

    def __init__(self, provider: EncryptionProvider) -> None:
        self._provider = provider
        self.calls = 0

    def generate_data_key(self, context: Context):  # type: ignore[no-untyped-def]  # noqa: ANN201 - not called
        raise NotImplementedError

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        self.calls += 1
        return self._provider.unwrap(wrapped, key_uri, context)

    def check(self) -> None:
        raise NotImplementedError


def forged(key_uri: str, *, producer: str | None = None, first: int = 1_000) -> Iterator[RawRecord]:
    """Yield records whose data keys nobody can unwrap; each has a key, and by default a producer, of its own."""
    for number in range(first, first + FORGED):
        key = DataKey(number)
        key.key_uri = key_uri
        yield Writer(number, key=key, producer=producer).event()


@pytest.mark.parametrize("whose", ["invented producers", "one invented producer", "an honest producer"])
def test_forged_wrapped_keys_cost_calls(keys: KeyFiles, whose: str) -> None:
    honest = [Writer(number, key=SealingKey(keys.provider, "/production/payments")) for number in (1, 2, 3)]
    uri = honest[0].key.key_uri  # type: ignore[union-attr]
    claimed = {"one invented producer": f"{honest[0].producer[:-3]}fff", "an honest producer": honest[0].producer}
    flood = list(forged(uri, producer=claimed.get(whose)))
    # One process logs before the flood, one begins in the middle of it, one after it.
    trail = [record for writer in honest for record in writer.run(30, end=False) if len(record.key or b"") < 36]
    records = [*trail[:30], *flood[: FORGED // 2], *trail[30:60], *flood[FORGED // 2 :], *trail[60:]]
    counting = CountingKeys(keys.provider)

    entries = list(TrailReader(records, provider=counting, patience=2.0))

    opened = [entry.event for entry in entries if isinstance(entry, OpenedEvent)]
    assert {(event.producer, event.sequence) for event in opened} == {
        (w.producer, n) for w in honest for n in range(30)
    }
    assert counting.calls <= BOUND
    # Nothing is dropped: what was not opened is shown, and says why.
    refused = [entry for entry in entries if isinstance(entry, DamagedRecord)]
    assert len(refused) == FORGED
    assert sum("too many unknown keys" in str(entry.error) for entry in refused) >= FORGED - BOUND
