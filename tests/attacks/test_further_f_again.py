"""F puts objects back after their replay, and a checkpoint with other leaves before the trail: leaves x fallback."""

from __future__ import annotations

from pathlib import Path

from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.proof.leaves import as_text
from tests.attacks.forge import rival
from tests.attacks.planted import plant, put, stored_in_an_outage
from tests.attacks.site import Site
from tests.support.in_process import run


def replay(site: Site, store: Path) -> None:
    ended = run("fallback", "replay", "-c", str(site.service_file()), "--fallback-path", str(store))
    assert "replayed" in ended.err, ended.err


def test_object_that_was_put_back_changes_nothing(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    path = stored_in_an_outage(site, store, ["login", "wire_transfer", "logout"])
    content, name = path.read_bytes(), str(path.relative_to(store))
    created, producer = path.name[:36], path.name[37:73]
    replay(site, store)
    for number in range(2):
        put(store, name.replace(created, f"0198c0de-1111-7222-8333-{number:012x}"), content)

    replay(site, store)

    verified, shown = site.verify(), site.run("export", "--public-key", site.keys.public_key)
    assert (verified.code, verified.proven(producer)) == (0, 3)
    assert shown.out.count(b'"wire_transfer"') == 1
    assert shown.code == 0


def test_checkpoint_with_other_leaves_in_the_store_proves_nothing(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "fallback"
    store.mkdir(mode=0o700)
    victim = site.writer()
    honest = victim.run(10, every=10)
    site.put(honest)
    events = [record for record in honest if b'"application/jose"' in (record.value or b"")]
    checkpoint = next(record for record in honest if record.headers)
    ((_, leaves),) = checkpoint.headers
    altered = leaves[:-32] + bytes(32)
    false = StoredRecord(checkpoint.key or b"", checkpoint.value or b"", None, as_text(altered))
    planted = [rival(events[number], number) for number in range(10)]
    rivals = [StoredRecord(each.key or b"", each.value or b"", number) for number, each in enumerate(planted)]
    plant(store, [*rivals, false], producer=victim.producer)

    verified = site.verify("--fallback-path", str(store))

    assert verified.proven(victim.producer) == 10
