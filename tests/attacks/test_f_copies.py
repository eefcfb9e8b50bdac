"""F plants rivals and copies in the fallback store, which is read before the topic."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.attacks.forge import SealingKey, Writer, rival
from tests.attacks.planted import plant, stored
from tests.attacks.site import Site


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of the fallback store, as the service left it."""
    folder = tmp_path / "fallback"
    folder.mkdir(mode=0o700)
    return folder


def test_rivals_in_the_store_make_nothing_unprovable(site: Site, store: Path) -> None:
    victim = site.writer()
    honest = victim.run(100, every=10)
    site.put(honest)
    events = [record for record in honest if b'"application/jose"' in (record.value or b"")]
    rivals = stored([rival(events[0], number) for number in range(1_100)], first=0)
    plant(store, [record._replace(sequence=0) for record in rivals], producer=victim.producer)
    for number in range(0, 100, 10):
        one = stored([rival(events[number], number)], first=number)
        plant(store, one, producer=victim.producer, number=number + 1)

    verified = site.verify("--fallback-path", str(store))

    assert verified.proven(victim.producer) == 100


def test_events_of_another_service_in_the_store_displace_none(site: Site, store: Path) -> None:
    site.log(["login", "wire_transfer"])
    genuine = next(record for record in site.records() if b'"wire_transfer"' in (record.value or b""))
    producer = msgspec.json.decode(genuine.value or b"")["producer"]
    forged = Writer(producer=producer, service="marketing", key=SealingKey(site.keys.provider, "/production/marketing"))
    plant(store, stored([forged.event("newsletter") for _ in range(2)], first=0), producer=producer)

    ended = site.run("tail", "--json", "--from", "all", "--fallback-path", str(store))

    shown = [(event["service_name"], event["event_type"]) for event in map(msgspec.json.decode, ended.out.splitlines())]
    assert ("payments", "login") in shown
    assert ("payments", "wire_transfer") in shown
