from __future__ import annotations

import contextlib
from pathlib import Path

from telemetry.exceptions import TelemetryError
from tests.attacks.forge import Writer, give_away, plant_segment
from tests.attacks.site import Site


def spool_folder(site: Site, mode: int) -> Path:
    folder = site.folder / "spool"
    folder.mkdir()
    folder.chmod(mode)
    return folder


def run_victim(site: Site, spool: Path) -> None:
    # A victim that refuses to start does right as well: nothing of the folder is believed then.
    with contextlib.suppress(TelemetryError):
        site.log(["user_login"], spool_path=spool)


def signed_for(site: Site, producer: str) -> list[bytes]:
    """Return the checkpoints of a producer that are on the topic, whichever key signed them."""
    values = [record.value or b"" for record in site.records() if record.key == producer.encode()]
    return [value for value in values if b'"type":"telemetry.checkpoint"' in value]


def test_segment_owned_by_a_stranger_is_not_adopted(site: Site) -> None:
    spool, forged = spool_folder(site, 0o777), Writer(66, is_sealed=False)
    give_away(spool)
    planted = plant_segment(spool, [forged.event("wire_transfer") for _ in range(3)], forged, mode=0o666)

    run_victim(site, spool)

    assert not signed_for(site, forged.producer)
    assert not [record for record in site.records() if b"wire_transfer" in (record.value or b"")]
    assert planted.exists()
    assert site.verify().proven(forged.producer) == 0


def test_segment_that_others_may_write_is_not_adopted(site: Site) -> None:
    spool, forged = spool_folder(site, 0o700), Writer(66, is_sealed=False)
    plant_segment(spool, [forged.event("wire_transfer") for _ in range(3)], forged, mode=0o666)

    run_victim(site, spool)

    assert not signed_for(site, forged.producer)
    assert not [record for record in site.records() if b"wire_transfer" in (record.value or b"")]


def test_segment_planted_by_our_own_user_is_not_signed(site: Site) -> None:
    """An upload bug, a shared volume or a restored backup writes with the right owner and mode."""
    spool, forged = spool_folder(site, 0o700), Writer(66, is_sealed=False)
    plant_segment(spool, [forged.event("wire_transfer") for _ in range(3)], forged)

    run_victim(site, spool)

    verified = site.verify()
    assert not signed_for(site, forged.producer)
    assert verified.proven(forged.producer) == 0
    assert not verified.of(forged.producer).get("is_closed")


def test_segment_of_another_service_is_not_signed(site: Site) -> None:
    spool, forged = spool_folder(site, 0o700), Writer(66, is_sealed=False, service="treasury")
    plant_segment(spool, [forged.event("wire_transfer") for _ in range(3)], forged)

    run_victim(site, spool)

    assert not signed_for(site, forged.producer)
    assert site.verify().proven(forged.producer) == 0
