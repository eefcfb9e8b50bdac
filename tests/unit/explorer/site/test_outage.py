from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.config import ExplorerConfig, SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.testing import EmbeddedKafka
from tests.unit.explorer.jobs.conftest import PASSPHRASE, SignedTrail, signed_trail
from tests.unit.explorer.site.visiting import explorer_of


@pytest.fixture
def signing(tmp_path: Path) -> SigningConfig:
    SigningKey.create(tmp_path / "auditor", PASSPHRASE, name="auditor")
    return SigningConfig(key_path=tmp_path / "auditor", passphrase=SecretStr(PASSPHRASE))


def impatient(trail: SignedTrail) -> SignedTrail:
    """Return the trail for an explorer that has no store for its records, and does not wait for long."""
    audit = trail.config.audit_config.model_copy(update={"storage_config": None})
    explorer = ExplorerConfig(record_seconds=1.0)
    return trail.replaced(trail.config.model_copy(update={"audit_config": audit, "explorer_config": explorer}))


async def test_what_cannot_be_recorded_does_not_leave(tmp_path: Path, signing: SigningConfig) -> None:
    with EmbeddedKafka() as kafka:
        trail = impatient(signed_trail(kafka, tmp_path))
        async with explorer_of(trail, policy=trail.policy, signing=signing) as explorer:
            visitor = explorer.visitor()
            await visitor.post("/basket/add", {"event": trail.ids[0]})
            kafka.close()

            pack = await visitor.post("/basket/pack")
            export = await visitor.post("/export", {"take-form": "csv", "type": "work"})
            basket = await visitor.get("/basket")
            looks = await visitor.get("/access")

    assert [answer.status_code for answer in (pack, export, basket, looks)] == [503] * 4
    assert not explorer.site.desk.book.shown_to(visitor.session)
    assert "user-0" not in basket.text + export.text


@pytest.mark.parametrize("user", ["user-3", "nobody"])
async def test_unrecorded_search_tells_nothing_by_the_way(tmp_path: Path, user: str) -> None:
    with EmbeddedKafka() as kafka:
        trail = impatient(signed_trail(kafka, tmp_path))
        async with explorer_of(trail, policy=trail.policy) as explorer:
            visitor = explorer.visitor()
            kafka.close()

            added = await visitor.post("/basket/add", {"take-all": "1", "user": user})
            drawn = await visitor.post("/basket/sample", {"take-size": "1", "user": user})
            exported = await visitor.post("/export", {"take-form": "csv", "user": user})

    assert [answer.status_code for answer in (added, drawn, exported)] == [503] * 3
    assert not explorer.site.desk.baskets.of(visitor.session).ids
