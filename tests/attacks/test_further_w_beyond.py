"""W writes junk under the name of a running process, for a number that it has not signed yet."""

from __future__ import annotations

import json

import pytest

from telemetry.reader import RawRecord
from tests.attacks.forge import Writer
from tests.attacks.site import Site

KINDS = ["a ciphertext under no key", "a feature that nobody knows", "half a record"]


def junk(producer: str, kind: str, *, number: int) -> RawRecord:
    """Return what anyone can write under the name of a producer."""
    forged = Writer(producer=producer, first=number, is_sealed=kind == KINDS[0]).event("wire_transfer")
    value = forged.value or b""
    if kind == KINDS[1]:
        value = value.replace(
            b'"schema_version":1', b'"schema_version":2,"features":["zzz"],"x":{"datacontenttype":"application/jose"}'
        )
    return forged._replace(value=value[:-1] if kind == KINDS[2] else value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["export", "tail"])
def test_junk_after_the_last_signed_record_is_foreign(site: Site, command: str, kind: str) -> None:
    process = site.writer()
    site.put([*process.run(4, every=2, end=False), junk(process.producer, kind, number=9)])

    ended = site.run(command, "--public-key", site.keys.public_key, *(["--json"] if command == "tail" else []))

    shown = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["proven"] for each in shown if each.get("event_type")] == ["yes"] * 4
    assert ended.code == 0, ended.err
    assert "1 foreign" in ended.err or '"foreign":1' in ended.err


@pytest.mark.parametrize("kind", KINDS)
def test_junk_in_the_place_of_a_signed_record_is_damage(site: Site, kind: str) -> None:
    process = site.writer()
    life = process.run(4, every=2, end=False)
    site.put([*life[:1], junk(process.producer, kind, number=1), *life[1:]])

    ended = site.run("export", "--public-key", site.keys.public_key)

    assert len(ended.out.splitlines()) == 4
    assert ended.code == 3
