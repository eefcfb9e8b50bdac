from __future__ import annotations

import pytest

from telemetry.reader import Place, RawRecord
from tests.attacks.forge import TOPIC, Writer, trust_file
from tests.attacks.site import Site
from tests.support.written_trail import Signer

STAGING = "audit-staging"


@pytest.mark.parametrize("is_trust_file", [False, True], ids=["public-key", "trust-file"])
def test_records_of_the_staging_topic_are_not_complete(site: Site, is_trust_file: bool) -> None:
    """Staging runs with the configuration of production, its key included, on another topic."""
    site.kafka.create_topic(STAGING, partitions=1)
    site.log(["user_login"] * 3, kafka_topic=STAGING)
    site.put([record._replace(place=Place(TOPIC)) for record in site.records(STAGING)])
    key = {"public": site.keys.public_key, "roles": ["service"], "sources": ["/production/*"], "topics": [TOPIC]}
    options = trust_file(site.folder / "trust.toml", key) if is_trust_file else ()

    verified = site.verify(*options)

    assert verified.verdict not in ("complete", "foreign")
    assert verified.code in (3, 4)
    assert STAGING in verified.findings


def test_other_environment_does_not_replace_the_expected_one(site: Site) -> None:
    staging = Writer(1, environment="staging", signer=site.keys.signing)
    site.put(staging.run(3))

    verified = site.verify("--expect", "/production/payments")

    assert verified.code == 4
    assert "/production/payments" in verified.findings


def test_topic_of_strangers_alone_is_not_complete(site: Site) -> None:
    """The broker's operator exchanges all records: that no trusted stream is disturbed must not be good news."""
    stranger = Writer(66, signer=Signer(9, "stranger"))
    site.put([*stranger.run(3), RawRecord(None, b"hello", Place(TOPIC))])

    verified = site.verify()

    assert verified.code in (3, 4)
    assert verified.report["proven"] == 0


def test_copied_staging_topic_differs_from_what_the_witness_saw(site: Site) -> None:
    production, staging = (Writer(number, signer=site.keys.signing) for number in (1, 2))
    site.put(production.run(3))
    required = site.witness(site.folder / "rosters")

    with site.rewritten(staging.run(3)) as attacked:
        verified = attacked.verify(*required)

    assert verified.code in (3, 4)
    assert production.producer in str(verified.report)
